"""The API: headers, query parameters, JSON bodies, and sign-in by other parties."""

from __future__ import annotations

import json

from bench.secrets.planting import SECRET, given, view


@view("bearer", "header", "token", headers={"authorization": f"Bearer {SECRET}"})
def orders(request):
    raise ValueError("no orders")


@view("basic", "header", "basic auth", headers={"authorization": f"Basic {SECRET}"})
def reports(request):
    raise ValueError("no reports")


@view("drf-token", "header", "token", headers={"authorization": f"Token {SECRET}"})
def invoices(request):
    raise ValueError("no invoices")


@view(
    "digest",
    "header",
    "digest auth",
    headers={
        "authorization": f'Digest username="ann", realm="shop", nonce="x", uri="/", response="{SECRET}"'
    },
)
def digest(request):
    raise ValueError("realm is closed")


@view("x-api-key", "header", "API key", headers={"x-api-key": SECRET})
def products(request):
    raise ValueError("no products")


@view("x-auth-token", "header", "token", headers={"x-auth-token": SECRET})
def customers(request):
    raise ValueError("no customers")


@view("x-csrftoken", "header", "CSRF token", headers={"x-csrftoken": SECRET})
def update(request):
    raise ValueError("nothing to update")


@view(
    "proxy-auth",
    "header",
    "basic auth",
    headers={"proxy-authorization": f"Basic {SECRET}"},
)
def proxied(request):
    raise ValueError("proxied twice")


@view("vault-header", "header", "token", headers={"x-vault-token": SECRET})
def vault(request):
    raise ValueError("vault is sealed")


@view("gitlab-header", "header", "API key", headers={"private-token": SECRET})
def gitlab_hook(request):
    raise ValueError("project is archived")


@view(
    "azure-header", "header", "API key", headers={"ocp-apim-subscription-key": SECRET}
)
def azure(request):
    raise ValueError("quota is used up")


@view("amz-header", "header", "token", headers={"x-amz-security-token": SECRET})
def amazon(request):
    raise ValueError("region is wrong")


@view("shopify-header", "header", "API key", headers={"x-shopify-access-token": SECRET})
def shopify(request):
    raise ValueError("shop is frozen")


@view("iap-header", "header", "JWT", headers={"x-goog-iap-jwt-assertion": SECRET})
def behind_proxy(request):
    raise ValueError("issuer is another one")


@view(
    "cf-header", "header", "client secret", headers={"cf-access-client-secret": SECRET}
)
def cloudflare(request):
    raise ValueError("zone is paused")


@view("hub-signature", "header", "signature", headers={"x-hub-signature-256": SECRET})
def hub(request):
    raise ValueError("branch is gone")


@view("tenant-key-header", "header", "API key", headers={"x-acme-tenant-key": SECRET})
def tenant(request):
    raise ValueError("tenant is asleep")


@view("query-api-key", "query", "API key", query={"page": "2", "api_key": SECRET})
def listing(request):
    page = int(request.GET["page"])
    raise ValueError(f"page {page}")


@view("query-key", "query", "API key", query={"address": "Bonn", "key": SECRET})
def geocode(request):
    raise ValueError(f"no such place: {request.GET['address']}")


@view(
    "query-access-token",
    "query",
    "token",
    query={"format": "csv", "access_token": SECRET},
)
def export(request):
    raise ValueError(f"no format {request.GET['format']}")


@view("query-token", "query", "token", query=f"v=3&token={SECRET}")
def feed(request):
    raise ValueError("version 3 is not served")


@view("query-camel", "query", "token", query={"authToken": SECRET, "v": "3"})
def mobile(request):
    raise ValueError("please update the app")


@view("query-password", "query", "password", query={"user": "ann", "password": SECRET})
def legacy(request):
    raise ValueError("legacy is off")


@view("query-otp", "query", "one-time code", query={"otp": SECRET, "device": "2"})
def one_time(request):
    raise ValueError("device 2 is lost")


@view(
    "oauth-code",
    "query",
    "authorization code",
    query={"code": SECRET, "scope": "email", "state": "x"},
)
def oauth_callback(request):
    scope = request.GET["scope"]
    raise ValueError(f"scope {scope} was not asked for")


@view("oauth-state", "query", "OAuth state", query={"state": SECRET, "error": "denied"})
def oauth_denied(request):
    raise ValueError(request.GET["error"])


@view(
    "pkce",
    "form",
    "PKCE verifier",
    form={"grant_type": "authorization_code", "code_verifier": SECRET},
)
def token_endpoint(request):
    raise ValueError(request.POST["grant_type"])


@view(
    "client-secret",
    "form",
    "client secret",
    form={
        "grant_type": "client_credentials",
        "client_id": "shop",
        "client_secret": SECRET,
    },
)
def client_credentials(request):
    raise ValueError(request.POST["grant_type"])


@view(
    "refresh-token",
    "form",
    "token",
    form={"grant_type": "refresh_token", "refresh_token": SECRET},
)
def refresh(request):
    raise ValueError("grant was revoked")


@view("id-token", "JSON body", "JWT", data={"provider": "x", "id_token": SECRET})
def social(request):
    provider = json.loads(request.body)["provider"]
    raise ValueError(f"provider {provider}")


@view(
    "client-assertion",
    "form",
    "JWT",
    form={"client_assertion_type": "jwt-bearer", "client_assertion": SECRET},
)
def assertion(request):
    raise ValueError("client has no key")


@view(
    "saml-response",
    "form",
    "SAML response",
    form={"SAMLResponse": SECRET, "RelayState": "/"},
)
def saml(request):
    raise ValueError("assertion is too old")


@view(
    "saml-request",
    "query",
    "SAML request",
    query={"SAMLRequest": SECRET, "RelayState": "/"},
)
def saml_start(request):
    raise ValueError("no such service provider")


@view("cas-ticket", "query", "CAS ticket", query={"service": "shop", "ticket": SECRET})
def cas(request):
    raise ValueError(f"no service {request.GET['service']}")


@view(
    "telegram-hash",
    "query",
    "signature",
    query={"id": "77", "first_name": "A", "hash": SECRET},
)
def telegram_login(request):
    raise ValueError("bot has no domain")


@view(
    "azure-sas",
    "query",
    "signed URL",
    query={"sv": "2024-11-04", "se": "2026-01-01", "sig": SECRET},
)
def azure_blob(request):
    raise ValueError("container is gone")


@view(
    "amz-signature",
    "query",
    "signed URL",
    query={"X-Amz-Expires": "300", "X-Amz-Signature": SECRET},
)
def amazon_upload(request):
    raise ValueError("upload was aborted")


@view(
    "unsubscribe-key", "query", "token", query={"list": "4", "unsubscribe_key": SECRET}
)
def leave(request):
    raise ValueError("list 4 is closed")


@view(
    "licence-key", "JSON body", "licence key", data={"seats": 5, "license_key": SECRET}
)
def licence(request):
    seats = json.loads(request.body)["seats"]
    raise ValueError(f"{seats} seats")


@view(
    "json-camel",
    "JSON body",
    "API key",
    data={"v": 1, "integration": {"apiSecretKey": SECRET}},
)
def integration(request):
    version = json.loads(request.body)["v"]
    raise ValueError(f"version {version}")


@view(
    "json-push",
    "JSON body, nested",
    "push keys",
    data={"endpoint": "x", "keys": {"auth": "y", "p256dh": SECRET}},
)
def push(request):
    keys = json.loads(request.body)["keys"]
    raise ValueError(f"{len(keys)} keys")


@view(
    "xml-body",
    "XML body",
    "token",
    body=f"<request><version>2</version><authToken>{SECRET}</authToken></request>",
    content_type="application/xml",
)
def soap(request):
    raise ValueError(f"cannot parse {request.body.decode()}")


@view(
    "soap-body",
    "XML body, attributes",
    "password",
    body=f'<wsse:UsernameToken><wsse:Username>shop</wsse:Username><wsse:Password Type="#PasswordText">{SECRET}</wsse:Password></wsse:UsernameToken>',
    content_type="text/xml",
)
def wsse(request):
    envelope = request.body.decode()
    raise ValueError(f"{len(envelope)} characters of SOAP")


@view(
    "path-api-key",
    "path converter",
    "API key",
    route="v1/<slug:api_key>/stock/",
    url=f"v1/{SECRET}/stock/",
)
def stock(request, api_key):
    raise ValueError("no stock")


@view(
    "path-share",
    "path converter",
    "token",
    route="share/<str:share_token>/",
    url=f"share/{SECRET}/",
)
def shared(request, share_token):
    raise ValueError("share is over")


@view(
    "path-bot",
    "path converter",
    "API key",
    route="bot<str:bot_token>/updates/",
    url=f"bot7712034455:{SECRET}/updates/",
)
def bot_updates(request, bot_token):
    raise ValueError("webhook is set")


@view(
    "referer",
    "header",
    "token",
    headers={"referer": f"https://shop.example/reset?uid=7&token={SECRET}"},
)
def from_reset(request):
    raise ValueError("came from the reset")


@view(
    "websocket-protocol",
    "header",
    "token",
    headers={"sec-websocket-protocol": f"graphql-ws, access_token.{SECRET}"},
)
def socket(request):
    raise ValueError("socket is closed")


@view("kwargs", "keyword arguments", "token")
def call_with_keywords(request):
    def fetch(**kwargs):
        raise ValueError(f"{len(kwargs)} options")

    fetch(url="/x", refresh_token=given(), retries=3)


@view("args", "positional arguments", "password")
def call_with_positions(request):
    def connect(host, user, password):
        raise ConnectionError(f"{host} does not answer")

    connect("db.internal", "shop", given())
