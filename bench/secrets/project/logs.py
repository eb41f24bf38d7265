"""Log records and breadcrumbs."""

from __future__ import annotations

import logging

from bench.secrets.planting import given, tracker, view, works

log = logging.getLogger("shop")


@works("log-args", "log argument", "password")
def log_args():
    log.error("login of %s failed, password=%s", "ann", given())


@works("log-args-token", "log argument", "token")
def log_args_token():
    log.error("token %s has expired", given())


@works("log-args-dict", "log argument, dict", "password")
def log_args_dict():
    log.error("refused: %s", {"user": "ann", "password": given()})


@works("log-args-named", "log arguments by name", "password")
def log_args_named():
    log.error(
        "user %(user)s, password %(password)s", {"user": "ann", "password": given()}
    )


@works("log-extra", "extra of a log record", "password")
def log_extra():
    log.error("login failed", extra={"login": "ann", "password": given()})


@works("log-extra-nested", "extra of a log record, nested", "API key")
def log_extra_nested():
    log.error("vendor failed", extra={"vendor": {"url": "x", "apiKey": given()}})


@works("log-text", "log text", "password")
def log_text():
    log.error(f"could not sign in with password: {given()}")


@works("log-header", "log text, header", "token")
def log_header():
    log.error("sent Authorization: Bearer %s and got 401", given())


@works("log-url", "log argument, URL with userinfo", "password")
def log_url():
    log.error("cannot reach %s", f"https://shop:{given()}@intranet.example/")


@works("log-exception", "log text beside an exception", "password")
def log_exception():
    try:
        raise ConnectionError("ftp is down")
    except ConnectionError:
        log.exception("ftp login=shop passwd=%s", given())


@works("log-logfmt", "log text, logfmt", "token")
def log_logfmt():
    log.error('level=error msg="no answer" access_token=%s attempt=3', given())


@works("log-json", "log text, JSON", "password")
def log_json():
    log.error('{"event": "login", "password": "%s", "ok": false}', given())


@works("log-otp", "log argument", "one-time code")
def log_otp():
    log.error("OTP %s was refused for device 2", given())


@works("log-card", "log argument, integer", "card number")
def log_card():
    log.error("no acquirer for card %d", int(given()))


@works("log-tuple", "log argument, tuple", "token")
def log_tuple():
    log.error("row %r is stored twice", ("refresh_token", given(), 7))


@view("breadcrumb-text", "breadcrumb, log text", "password")
def breadcrumb_text(request):
    log.warning("retrying with password=%s", given())
    raise ConnectionError("ftp is down")


@view("breadcrumb-url", "breadcrumb, signed URL", "token")
def breadcrumb_url(request):
    log.warning("GET https://x.example/v1/me?access_token=%s 502", given())
    raise ConnectionError("vendor is down")


@view("breadcrumb-vendor", "breadcrumb, log text", "API key")
def breadcrumb_vendor(request):
    log.warning("vendor rejects key %s", given())
    raise ConnectionError("vendor rejects us")


@view("breadcrumb-extra", "breadcrumb, extra", "password")
def breadcrumb_extra(request):
    log.warning("retrying", extra={"password": given(), "attempt": 3})
    raise ConnectionError("ftp is still down")


@view("breadcrumb-dict", "breadcrumb, dict", "password")
def breadcrumb_dict(request):
    log.warning("mailbox %s", {"host": "x", "wachtwoord": given()})
    raise ConnectionError("mail is down")


@view("breadcrumb-data", "breadcrumb, data", "password")
def breadcrumb_data(request):
    tracker.breadcrumb("opened a mailbox", {"host": "x", "password": given()})
    raise ConnectionError("mail is still down")


@view("breadcrumb-header", "breadcrumb, header", "token")
def breadcrumb_header(request):
    tracker.breadcrumb(f"PUT /x with X-Auth-Token: {given()}", {"status": 500})
    raise ConnectionError("vendor answers 500")


@view("tag", "tag", "password")
def tagged(request):
    tracker.tag("ftp_password", given())
    raise ConnectionError("ftp is down again")
