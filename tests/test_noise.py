"""Noise: what scanners, foreign host names and clients that went away leave, on published examples of them."""

from __future__ import annotations

import types

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path

from error_tracking.capture import noise

# Paths from published access logs: lawsonry.com (2014), daviddever.net (nginx, one year), kbeezie.com, errorlogs.net,
# and the request lists of the SANS Internet Storm Center's web honeypots.
SCANNED = [
    "/wp-login.php",
    "/wp-login.php/",
    "/xmlrpc.php",
    "/wp-content/uploads/",
    "/wp-admin/admin-ajax.php",
    "/wp-json/wp/v2/users",
    "/wp-config.php",
    "/wordpress/wp-login.php",
    "/blog/wp-includes/wlwmanifest.xml",
    "/phpmyadmin/",
    "/phpMyAdmin/scripts/setup.php",
    "/pma/scripts/setup.php",
    "/myadmin/scripts/setup.php",
    "/phpTest/zologize/axa.php",
    "/mysqladmin/",
    "/index-ajax.php",
    "/adminer.php",
    "/.env",
    "/.env.local",
    "/.env.production",
    "/core/.env",
    "/src/config/.env",
    "/.git/config",
    "/.git/HEAD",
    "/.svn/entries",
    "/.aws/credentials",
    "/.ssh/id_rsa",
    "/.DS_Store",
    "/.htpasswd",
    "/.vscode/sftp.json",
    "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php",
    "/boaform/admin/formLogin",
    "/GponForm/diag_Form",
    "/HNAP1/",
    "/goform/set_cmd",
    "/setup.cgi",
    "/cgi-bin/luci",
    "/cgi-bin/mainfunction.cgi",
    "/hudson",
    "/solr/admin/info/system",
    "/actuator/health",
    "/actuator/gateway/routes",
    "/_ignition/execute-solution",
    "/telescope/requests",
    "/owa/auth/logon.aspx",
    "/autodiscover/autodiscover.json",
    "/ecp/Current/exporttool/microsoft.exchange.ediscovery.exporttool.application",
    "/server-status",
    "/a2billing/common/javascript/misc.js/",
    "/admin/config.php",
    "/administrator/index.php",
    "/typo3/index.php",
    "/druid/index.html",
    "/jenkins/script",
    "/webdav/",
    "/invoker/readonly",
    "/geoserver/web/",
    "/sftp-config.json",
    "/backup.sql",
    "/db.bak",
    "/remote/fgt_lang.jsp",
    "/login.action",
    "/struts2-showcase/index.action",
    "/index.asp",
    "/zabbix/",
    "/dns-query",
    "/tmui/login.jsp",
    "/server.key",
]

# Paths that real Django sites have, or whose 404 is worth knowing.
REAL = [
    "/",
    "/admin/",
    "/admin/login/",
    "/accounts/login/",
    "/api/pets/12/",
    "/api/v1/orders/",
    "/static/app.js",
    "/favicon.ico",
    "/robots.txt",
    "/.well-known/security.txt",
    "/.well-known/acme-challenge/abc",
    "/apple-touch-icon.png",
    "/sitemap.xml",
    "/blog/2026/01/hello-world/",
    "/manager/reports/",
    "/environment/",
    "/products/wp/",
    "/docs/vendor-guide/",
    "/console/",
    "/shell/",
    "/config/",
    "/media/report.pdf",
    "/environments/list/",
    "/download/key/",
    "/files/photo.jpeg",
    "/users/ann.smith/",
    "/search/php-developer/",
    "/jobs/asp-net-developer/",
]

# Agents from the tools' own documentation and published logs.
AGENTS = [
    "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)",
    "sqlmap/1.7.8#stable (https://sqlmap.org)",
    "Mozilla/5.0 zgrab/0.x",
    "masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
    "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
    "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
    "gobuster/3.6",
    "Fuzz Faster U Fool v2.1.0",
    "feroxbuster/2.10.1",
    "WPScan v3.8.25 (https://wpscan.com/wordpress-security-scanner)",
    "Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)",
    "Mozilla/5.0 (compatible; InternetMeasurement/1.0; +https://internet-measurement.com/)",
    "Mozilla/5.0 (l9tcpid/v1.1.0)",
    "Mozilla/5.0 (l9explore/1.2.2)",
    "Expanse, a Palo Alto Networks company, searches across the global IPv4 space",
    "WhatWeb/0.5.5",
    "DirBuster-1.0-RC1 (http://www.owasp.org/index.php/Category:OWASP_DirBuster_Project)",
    "Mozilla/5.0 (compatible; Odin; https://docs.getodin.com/)",
    "Wfuzz/3.1.0",
    "ZmEu",
]
BROWSERS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "python-requests/2.32.3",
    "curl/8.5.0",
    "Go-http-client/2.0",
    "",
]


@pytest.mark.parametrize("scanned", SCANNED)
def test_scanned_path_is_noise(scanned):
    assert noise.is_scanner_path(scanned)


@pytest.mark.parametrize("real", REAL)
def test_real_path_is_not(real):
    assert not noise.is_scanner_path(real)


@pytest.mark.parametrize("agent", AGENTS)
def test_scanner_is_noise(agent):
    assert noise.is_scanner_agent(agent)


@pytest.mark.parametrize("agent", BROWSERS)
def test_browser_bot_and_library_are_not(agent):
    assert not noise.is_scanner_agent(agent)


def test_scanners_share_a_group_apart_from_real_dead_links(outbox):
    client = Client(headers={"referer": "http://testserver/", "host": "testserver"})
    for url in ("/wp-login.php", "/.env", "/no/such/page/", "/another/"):
        client.get(url)
    scanned, env, dead, another = outbox
    assert (
        scanned.fingerprint
        == env.fingerprint
        != dead.fingerprint
        == another.fingerprint
    )
    assert scanned.title == "HTTP 404 for scanners"
    assert [event.is_evidence for event in outbox] == [False, False, True, True]


def test_scanner_is_noise_whatever_it_asks_for(outbox):
    client = Client(headers={"referer": "http://testserver/", "host": "testserver"})
    client.get("/no/such/page/", headers={"user-agent": "sqlmap/1.7.8"})
    [event] = outbox
    assert (event.title, event.is_evidence) == ("HTTP 404 for scanners", False)


@pytest.mark.parametrize("name", ["jenkins", "backup.sql", ".env", "wp-login.php"])
@pytest.mark.parametrize(
    "pattern", ["{}", "{}/<int:pk>/", "<slug:any>/{}", "<path:any>"]
)
def test_what_the_site_serves_is_never_a_scanner_s(settings, outbox, name, pattern):
    def missing(request, **kwargs):
        return HttpResponse(status=404)

    module = types.ModuleType("urls_of_a_site")
    module.urlpatterns = [path(pattern.format(name), missing)]
    settings.ROOT_URLCONF = module
    url = "/" + pattern.format(name).replace("<int:pk>", "7").replace("<slug:any>", "a")
    Client().get(url.replace("<path:any>", f"some/{name}"))
    [event] = outbox
    assert event.title.startswith("HTTP 404 on /")
    assert event.route != ""


def test_excluded_paths_are_those_of_the_urlconf(outbox):
    for script_name in ("", "/app"):
        client = Client(raise_request_exception=False)
        client.get("/health/crash/", SCRIPT_NAME=script_name)
        client.get("/crash/", SCRIPT_NAME=script_name)
    assert [event.route for event in outbox] == ["/crash/", "/crash/"]


def test_foreign_hosts_share_a_group(outbox):
    """FAULTS C07."""
    for host in ("evil.example", "10.0.0.1", "<script>"):
        Client().get("/fine/", headers={"host": host})
    assert len({event.fingerprint for event in outbox}) == 1
    assert outbox[0].title == "HTTP 400 for host names that are not this site's"


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_client_that_goes_away_while_it_sends_a_form_is_no_csrf_failure(outbox, kind):
    """Django takes what it could not read for a form without a token; on a real visitor's line it would be a bug."""

    class Gone:
        def read(self, *args):
            raise ConnectionResetError

        readline = read

    own = {"HTTP_HOST": "testserver", "HTTP_ORIGIN": "http://testserver"}
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    client.post(
        "/form/",
        CONTENT_TYPE=kind,
        CONTENT_LENGTH="900",
        **{"wsgi.input": Gone()},
        **own,
    )
    client.post("/form/", **own)
    gone, forged = outbox
    assert (gone.error_type, gone.status_code, gone.is_evidence) == (
        "http_4xx",
        499,
        False,
    )
    assert (forged.error_type, forged.status_code, forged.is_evidence) == (
        "csrf",
        403,
        True,
    )


def test_a_crash_is_never_noise(outbox):
    Client(raise_request_exception=False).get(
        "/crash/", headers={"user-agent": "sqlmap/1.7.8"}
    )
    assert (outbox[0].error_type, outbox[0].status_code) == ("exception", 500)


def test_data_files_are_clean():
    for name in ("scanner_paths.txt", "scanner_agents.txt"):
        names = noise._names(name)
        assert names
        assert all(each == each.lower().strip() and len(each) > 1 for each in names)
