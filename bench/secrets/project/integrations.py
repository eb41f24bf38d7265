"""What libraries of other companies say when they fail."""

from __future__ import annotations

from bench.secrets.planting import given, view


@view("aws-key-id", "exception, vendor", "API key")
def aws_key_id(request):
    raise RuntimeError(
        "ClientError: An error occurred (InvalidAccessKeyId) when calling the PutObject operation: "
        f"The AWS Access Key Id you provided does not exist in our records: {given()}"
    )


@view("aws-secret", "local, dict", "API key")
def aws_secret(request):
    session = {"region_name": "eu-central-1", "aws_secret_access_key": given()}
    raise RuntimeError(f"no bucket in {session['region_name']}")


@view("aws-credentials-file", "exception, INI", "API key")
def aws_file(request):
    raise RuntimeError(
        f"Unable to parse config file: [default]\nregion = eu-west-1\naws_secret_access_key = {given()}\n"
    )


@view("aws-presigned", "exception, URL", "signed URL")
def aws_presigned(request):
    raise RuntimeError(
        "403 Client Error: Forbidden for url: https://shop.s3.amazonaws.com/a.pdf?X-Amz-Algorithm=AWS4-HMAC-SHA256"
        f"&X-Amz-Expires=3600&X-Amz-Signature={given()}&x-id=GetObject"
    )


@view("azure-connection", "exception, connection string", "API key")
def azure_connection(request):
    raise ValueError(
        "Connection string is malformed: DefaultEndpointsProtocol=https;AccountName=shop;"
        f"AccountKey={given()};EndpointSuffix=core.windows.net"
    )


@view("azure-bus", "local", "API key")
def azure_bus(request):
    connection = (
        "Endpoint=sb://shop.servicebus.windows.net/;SharedAccessKeyName=send;"
        f"SharedAccessKey={given()}"
    )
    raise ValueError(f"{connection.count(';')} parts")


@view("odbc", "exception, connection string", "password")
def odbc(request):
    raise RuntimeError(
        "('28000', \"[28000] Login failed for 'shop'\") DRIVER={ODBC Driver 18};SERVER=db;UID=shop;"
        f"PWD={{{given()}}};Encrypt=yes"
    )


@view("google-credentials", "exception, JSON", "API key")
def google(request):
    raise ValueError(
        'Service account info was not in the expected format: {"type": "service_account", '
        f'"project_id": "shop", "private_key_id": "{given()}", "client_id": "7"}}'
    )


@view("google-message", "exception, text", "token")
def google_token(request):
    raise RuntimeError(f"Invalid Credentials for access token {given()} (401)")


@view("github-clone", "exception, URL with userinfo", "token")
def github_clone(request):
    raise RuntimeError(
        f"fatal: unable to access 'https://x-access-token:{given()}@github.com/shop/site.git/': 403"
    )


@view("github-pat", "exception, text", "token")
def github_pat(request):
    raise RuntimeError(f"Bad credentials ({given()})")


@view("slack-token", "exception, vendor", "token")
def slack(request):
    raise RuntimeError(
        "The request to the Slack API failed. (url: https://slack.com/api/chat.postMessage) "
        f"The server responded with: { ({'ok': False, 'error': 'invalid_auth', 'token': given()}) }"
    )


@view("slack-webhook", "exception, URL", "webhook URL")
def slack_webhook(request):
    raise ConnectionError(
        "HTTPSConnectionPool(host='hooks.slack.com', port=443): Max retries exceeded with url: "
        f"/services/T0SH0PXYZ/B0CHANNEL42/{given()}"
    )


@view("telegram-bot", "exception, URL", "API key")
def telegram(request):
    raise ConnectionError(
        f"404 Client Error: Not Found for url: https://api.telegram.org/bot7712034456:{given()}/sendMessage"
    )


@view("discord-webhook", "exception, URL", "webhook URL")
def discord(request):
    raise ConnectionError(
        f"429 Too Many Requests for https://discord.com/api/webhooks/110023344556677889/{given()}"
    )


@view("twilio", "exception, vendor", "API key")
def twilio(request):
    raise RuntimeError(
        f"HTTP 401 error: Unable to create record: Authenticate; auth=('AC17', '{given()}')"
    )


@view("sendgrid", "exception, vendor", "API key")
def sendgrid(request):
    raise RuntimeError(
        f"HTTP Error 401: The provided authorization grant is invalid: {given()}"
    )


@view("mailgun", "exception, curl", "API key")
def mailgun(request):
    raise RuntimeError(
        f"Command 'curl -s --user api:{given()} https://api.mailgun.net/v3/messages' returned 22"
    )


@view("mailchimp", "exception, text", "API key")
def mailchimp(request):
    raise RuntimeError(f"Your API key may be invalid: apikey {given()}")


@view("openai", "exception, vendor", "API key")
def openai(request):
    raise RuntimeError(
        "Error code: 401 - {'error': {'message': 'Incorrect API key provided: "
        f"{given()}. You can find your API key in the dashboard.', 'type': 'invalid_request_error'}}}}"
    )


@view("anthropic", "local", "API key")
def anthropic(request):
    model, key = "large", given()
    raise RuntimeError(f"{model} is overloaded, {len(key)}")


@view("huggingface", "exception, headers dump", "API key")
def huggingface(request):
    raise RuntimeError(
        f"401 for headers {[('user-agent', 'x/1'), ('authorization', f'Bearer {given()}')]!r}"
    )


@view("sentry-dsn", "exception, URL with userinfo", "API key")
def dsn(request):
    raise ValueError(f"Unsupported scheme in DSN htp://{given()}@o1.ingest.example/4")


@view("pypi", "exception, argv", "token")
def pypi(request):
    raise RuntimeError(
        f"Command '['twine', 'upload', '-u', '__token__', '-p', '{given()}', 'dist/*']' returned non-zero exit status 1."
    )


@view("npm", "exception, npmrc", "token")
def npm(request):
    raise RuntimeError(
        f"npm ERR! invalid config //registry.npmjs.org/:_authToken={given()}"
    )


@view("docker-login", "exception, command line", "token")
def docker(request):
    raise RuntimeError(f"docker login -u shop -p {given()} registry.example: exit 1")


@view("terraform", "exception, HCL", "token")
def terraform(request):
    raise RuntimeError(
        f'Error on main.tf line 4:\n  4:   token = "{given()}"\n  organization = "shop"'
    )


@view("heroku", "local, dict", "API key")
def heroku(request):
    options = {"app": "shop", "HEROKU_API_KEY": given()}
    raise RuntimeError(f"no app {options['app']}")


@view("facebook", "exception, URL", "token")
def facebook(request):
    raise RuntimeError(
        f"Bad request: https://graph.facebook.com/v21.0/me?fields=id%2Cname&access_token={given()}"
    )


@view("linear", "exception, curl", "API key")
def linear(request):
    raise RuntimeError(
        f"curl -X POST -H 'Content-Type: application/json' -H 'Authorization: {given()}' https://api.linear.app/graphql failed"
    )


@view("newrelic", "exception, headers dump", "API key")
def newrelic(request):
    raise RuntimeError(
        f"POST /graphql\r\nHost: api\r\nApi-Key: {given()}\r\nAccept: */*"
    )


@view("datadog", "exception, dict", "API key")
def datadog(request):
    raise RuntimeError(f"cannot send with { ({'DD-API-KEY': given(), 'site': 'eu'}) }")


@view("unknown-vendor", "exception, text", "API key")
def unknown(request):
    raise RuntimeError(f"acme says: {given()} may not read stocks")


@view("unknown-vendor-dashed", "local", "API key")
def unknown_dashed(request):
    arguments = ["acme", "sync", given()]
    raise RuntimeError(f"{len(arguments)} arguments")


@view("licence-message", "exception, text", "licence key")
def licence_message(request):
    raise RuntimeError(f"License key {given()} has expired")


@view("curl-basic", "exception, curl", "basic auth")
def curl_basic(request):
    raise RuntimeError(
        f'curl --header "Authorization: Basic {given()}" https://intranet.example/api'
    )


@view("curl-user", "exception, curl", "password")
def curl_user(request):
    raise RuntimeError(f"curl -u shop:{given()} https://intranet.example/api: (7)")


@view("curl-data", "exception, curl", "password")
def curl_data(request):
    raise RuntimeError(
        f"curl https://intranet.example/login --data 'user=shop&password={given()}' failed"
    )


@view("curl-cookie", "exception, curl", "session id")
def curl_cookie(request):
    raise RuntimeError(f"curl -b 'sessionid={given()}' https://shop.example/cart: (22)")


@view("wget", "exception, command line", "password")
def wget(request):
    raise RuntimeError(f"wget --user=shop --password={given()} ftp://x/y: status 6")


@view("sshpass", "exception, argv", "password")
def sshpass(request):
    raise RuntimeError(f"Command {['sshpass', '-p', given(), 'sftp', 'x@y']} timed out")


@view("pem", "exception, PEM", "private key")
def pem(request):
    raise ValueError(
        f"Could not deserialize key data: -----BEGIN RSA PRIVATE KEY-----\nMIIEow\n{given()}\n-----END RSA PRIVATE KEY-----"
    )


@view("pem-cut", "local, PEM without an end", "private key")
def pem_cut(request):
    first_lines = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{given()}\n"
    raise ValueError(f"{len(first_lines)} characters")


@view("pem-escaped", "exception, JSON", "private key")
def pem_escaped(request):
    raise ValueError(
        f'{{"kid": "1", "pem": "-----BEGIN PRIVATE KEY-----\\n{given()}\\n-----END PRIVATE KEY-----\\n"}} is no JWK'
    )


@view("jwk", "exception, JSON", "private key")
def jwk(request):
    raise ValueError(f'no curve in {{"kty": "OKP", "d": "{given()}", "use": "sig"}}')


@view("jwt-message", "exception, text", "JWT")
def jwt_message(request):
    raise ValueError(f"Signature verification failed for {given()}")


@view("signing-message", "exception, text", "signed value")
def signing(request):
    raise ValueError(f'Signature "{given()}" does not match')


@view("age-key", "exception, text", "private key")
def age(request):
    raise ValueError(f"malformed recipient: {given()}")


@view("otpauth", "exception, URL", "TOTP secret")
def otpauth(request):
    raise ValueError(f"otpauth://totp/shop:ann?secret={given()}&issuer=shop&digits=6")


@view("fernet", "exception, text", "encryption key")
def fernet(request):
    raise ValueError(
        f"Fernet key must be 32 url-safe bytes, got FIELD_ENCRYPTION_KEY={given()}"
    )


@view("wifi", "exception, text", "password")
def wifi(request):
    raise ValueError(f"cannot draw WIFI:T:WPA;S:Shop;P:{given()};;")
