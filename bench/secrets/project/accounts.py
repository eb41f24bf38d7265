"""Sign-up, sign-in, passwords, one-time codes, and sessions."""

from __future__ import annotations

import json

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse

from bench.secrets.planting import SECRET, given, view


@view("login-form", "form", "password", form={"username": "ann", "password": SECRET})
def login(request):
    username = request.POST["username"]
    raise LookupError(f"no profile for {username}")


@view(
    "signup-form",
    "form",
    "password",
    form={"name": "Ann", "password1": SECRET, "password2": SECRET, "terms": "on"},
)
def sign_up(request):
    name = request.POST["name"]
    return HttpResponse(name.missing)


@view(
    "password-change",
    "form",
    "password",
    form={"old_password": SECRET, "new_password1": "", "new_password2": ""},
)
def change_password(request):
    changed = [field for field in request.POST if field.startswith("new_")]
    raise RuntimeError(f"{len(changed)} fields and no user")


@view("form-german", "form", "password", form={"benutzer": "jan", "kennwort": SECRET})
def anmelden(request):
    benutzer = request.POST["benutzer"]
    raise KeyError(benutzer)


@view("form-german-2", "form", "password", form={"name": "jan", "Passwort": SECRET})
def registrieren(request):
    raise TypeError(f"{len(request.POST)} Felder statt drei")


@view(
    "form-french",
    "form",
    "password",
    form={"identifiant": "luc", "mot_de_passe": SECRET},
)
def connexion(request):
    identifiant = request.POST["identifiant"]
    raise ValueError(f"compte inconnu : {identifiant}")


@view("form-spanish", "form", "password", form={"usuario": "eva", "contraseña": SECRET})
def entrar(request):
    raise ValueError("usuario sin perfil")


@view(
    "form-spanish-2",
    "form",
    "password",
    form={"usuario": "eva", "nueva_contrasena": SECRET},
)
def cambiar(request):
    raise ValueError("no se pudo cambiar")


@view("form-portuguese", "form", "password", form={"nome": "rui", "senha": SECRET})
def acessar(request):
    raise ValueError("perfil ausente")


@view(
    "form-portuguese-2",
    "form",
    "password",
    form={"nome": "rui", "palavra_passe": SECRET},
)
def acessar_de_novo(request):
    raise ValueError("perfil ausente de novo")


@view(
    "form-italian",
    "form",
    "password",
    form={"utente": "gia", "parola_d_ordine": SECRET, "ricordami": "1"},
)
def accedi(request):
    raise ValueError("profilo mancante")


@view("form-dutch", "form", "password", form={"naam": "wim", "wachtwoord": SECRET})
def inloggen(request):
    raise ValueError("profiel ontbreekt")


@view(
    "form-dutch-2",
    "form",
    "password",
    form={"naam": "wim", "nieuw_wachtwoord_herhaling": SECRET},
)
def wijzigen(request):
    raise ValueError("wijzigen mislukt")


@view("form-pwd", "form", "password", form={"login": "ann", "pwd": SECRET})
def old_login(request):
    raise ValueError("no such login")


@view("form-passwd", "form", "password", form={"user": "ann", "userPasswd": SECRET})
def older_login(request):
    raise ValueError("no such user")


@view(
    "form-nested-name",
    "form",
    "password",
    form={"user[name]": "ann", "user[password_confirmation]": SECRET},
)
def rails_form(request):
    raise ValueError("form of another system")


@view(
    "formset",
    "form",
    "password",
    form={
        "members-TOTAL_FORMS": "1",
        "members-0-email_local": "ann",
        "members-0-initial_password": SECRET,
    },
)
def invite_members(request):
    total = int(request.POST["members-TOTAL_FORMS"])
    raise IndexError(total)


@view("form-otp", "form", "one-time code", form={"user": "ann", "otp_token": SECRET})
def second_factor(request):
    raise ValueError("device is not confirmed")


@view("form-totp", "form", "one-time code", form={"totp": SECRET, "trust": "on"})
def authenticator(request):
    raise ValueError("no authenticator app")


@view("form-pin", "form", "PIN", form={"card_id": "88", "pin": SECRET})
def counter(request):
    raise ValueError("till is closed")


@view(
    "form-backup-code", "form", "one-time code", form={"backup_code": SECRET, "u": "7"}
)
def backup(request):
    raise ValueError("no codes left")


@view(
    "form-security-answer",
    "form",
    "security answer",
    form={"security_question": "2", "security_answer": SECRET},
)
def recover(request):
    raise ValueError("question 2 is not answered")


@view(
    "form-csrf",
    "form",
    "CSRF token",
    form={"csrfmiddlewaretoken": SECRET, "text": "hello"},
)
def guestbook(request):
    raise ValueError("guestbook is full")


@view(
    "multipart-password",
    "multipart",
    "password",
    multipart={"username": "ann", "password": SECRET, "avatar": "none"},
)
def profile(request):
    raise ValueError(f"{request.POST['username']} has no profile")


@view(
    "multipart-german",
    "multipart",
    "password",
    multipart={"titel": "Herr", "neues_passwort": SECRET},
)
def profil(request):
    raise ValueError("Profil fehlt")


@view(
    "reset-link",
    "path converter",
    "reset token",
    route="reset/<uidb64>/<token>/",
    url=f"reset/MQ/{SECRET}/",
)
def reset(request, uidb64, token):
    raise ValueError(f"nobody is {uidb64}")


@view(
    "activation-link",
    "path converter",
    "activation key",
    route="activate/<str:activation_key>/",
    url=f"activate/{SECRET}/",
)
def activate(request, activation_key):
    raise ValueError("already active")


@view(
    "invite-link",
    "path converter",
    "invite token",
    route="invite/<uuid:invite_token>/",
    url=f"invite/{SECRET}/",
)
def accept_invite(request, invite_token):
    raise ValueError("invited twice")


@view(
    "unsubscribe-link",
    "path converter",
    "signed link",
    route="unsubscribe/<str:signed>/",
    url=f"unsubscribe/{SECRET}/",
)
def unsubscribe(request, signed):
    raise ValueError("was not subscribed")


@view(
    "magic-link",
    "query",
    "signed link",
    query=f"next=/&sig={SECRET}",
)
def magic(request):
    raise ValueError("link does not open")


@view(
    "json-login",
    "JSON body",
    "password",
    data={"username": "ann", "password": SECRET, "remember": True},
)
def json_login(request):
    payload = json.loads(request.body)
    raise ValueError(f"{payload['username']} is locked")


@view(
    "json-nested",
    "JSON body, nested",
    "password",
    data={"user": {"name": "ann", "credentials": {"newPassword": SECRET}}, "v": 2},
)
def json_nested(request):
    data = json.loads(request.body)
    raise ValueError(f"version {data['v']} is not served")


@view(
    "json-list",
    "JSON body, list",
    "password",
    data=[{"op": "create", "value": {"login": "ann", "pass": SECRET}}],
)
def json_batch(request):
    operations = json.loads(request.body)
    raise ValueError(f"{len(operations)} operations")


@view(
    "json-name-value",
    "JSON body, name and value",
    "password",
    data={
        "fields": [
            {"name": "user", "value": "a"},
            {"name": "password", "value": SECRET},
        ]
    },
)
def json_rows(request):
    fields = json.loads(request.body)["fields"]
    raise ValueError(f"{len(fields)} fields")


@view(
    "json-key-value",
    "JSON body, key and value",
    "password",
    data={
        "env": [
            {"key": "DEBUG", "value": "0"},
            {"key": "SMTP_PASSWORD", "value": SECRET},
        ]
    },
)
def json_environment(request):
    env = json.loads(request.body)["env"]
    raise ValueError(f"{len(env)} variables")


@view(
    "json-in-json",
    "JSON text in a JSON body",
    "password",
    data={"event": "login", "payload": f'{{"user": "ann", "password": "{SECRET}"}}'},
)
def json_in_json(request):
    event = json.loads(request.body)["event"]
    raise ValueError(f"event {event}")


@view(
    "graphql-variables",
    "JSON body, GraphQL variables",
    "password",
    data={
        "operationName": "SignIn",
        "query": "mutation SignIn($e: String!, $p: String!) { signIn(name: $e, password: $p) { id } }",
        "variables": {"name": "ann", "password": SECRET},
    },
)
def graphql(request):
    operation = json.loads(request.body)["operationName"]
    raise ValueError(f"{operation} is not known")


@view(
    "graphql-inline",
    "JSON body, GraphQL text",
    "password",
    data={
        "query": f'mutation {{ signIn(name: "ann", password: "{SECRET}") {{ id }} }}'
    },
)
def graphql_inline(request):
    raise ValueError("mutations are off")


@view(
    "cookie-session",
    "cookie",
    "session id",
    headers={"cookie": f"lang=de; sessionid={SECRET}; theme=dark"},
)
def basket(request):
    theme = request.COOKIES["theme"]
    raise ValueError(f"theme {theme} is gone")


@view("cookie-csrf", "cookie", "CSRF token", headers={"cookie": f"csrftoken={SECRET}"})
def wishlist(request):
    raise ValueError("wishlist is private")


@view(
    "cookie-remember",
    "cookie",
    "remember-me token",
    headers={"cookie": f"a=1; remember_token={SECRET}"},
)
def remembered(request):
    raise ValueError("remembers nothing")


@view(
    "cookie-connect-sid",
    "cookie",
    "session id",
    headers={"cookie": f"connect.sid={SECRET}; lang=en"},
)
def node_session(request):
    raise ValueError("session of another system")


@view(
    "cookie-jwt",
    "cookie",
    "JWT",
    headers={"cookie": f"consent=yes; access_token_cookie={SECRET}"},
)
def jwt_cookie(request):
    raise ValueError("audience is another one")


@view(
    "cookie-php", "cookie", "session id", headers={"cookie": f"PHPSESSID={SECRET}; x=1"}
)
def php(request):
    raise ValueError("the old shop is closed")


@view("local-session", "local", "session id")
def session_key(request):
    session_key = given()
    raise LookupError(f"{type(session_key).__name__} leads nowhere")


@view("form-error", "exception, form errors", "password")
def form_error(request):
    class Form(forms.Form):
        password = forms.CharField(max_length=4)

    form = Form({"password": given()})
    if not form.is_valid():
        raise ValueError(f"data {dict(form.data)!r} has errors {form.errors.as_json()}")


@view("validation-params", "exception, ValidationError", "password")
def validation(request):
    raise ValidationError(
        "%(password)s was seen in a breach", params={"password": given()}
    )


@view("hash-pbkdf2", "exception, text", "password hash")
def wrong_hash(request):
    raise ValueError(f"cannot verify {given()}")


@view("hash-argon2", "local", "password hash")
def argon_hash(request):
    encoded = f"$argon2id$v=19$m=102400,t=2,p=8${given()}"
    raise ValueError(f"{len(encoded)} characters")


@view("hash-bcrypt", "exception, SQL row", "password hash")
def bcrypt_hash(request):
    raise RuntimeError(
        'null value in column "last_name" of relation "auth_user" violates not-null constraint\n'
        f"DETAIL:  Failing row contains (17, ann, {given()}, null, t)."
    )


@view("hash-crypt", "exception, passwd line", "password hash")
def crypt_hash(request):
    raise ValueError(f"bad line 3: deploy:{given()}:19700:0:99999:7:::")


@view("hash-htpasswd", "exception, htpasswd line", "password hash")
def htpasswd(request):
    raise ValueError(f"cannot read 'ann:{given()}'")


@view("seed-form", "form", "seed phrase", form={"chain": "eth", "seed_phrase": SECRET})
def wallet(request):
    raise ValueError("chain is halted")


@view("seed-json", "JSON body", "seed phrase", data={"wallet": {"mnemonic": SECRET}})
def import_wallet(request):
    wallet = json.loads(request.body)["wallet"]
    raise ValueError(f"{len(wallet)} parts")


@view("local-french", "local, dict", "password")
def local_form(request):
    cleaned_data = {"identifiant": "luc", "motdepasse": given()}
    raise ValueError(f"{len(cleaned_data)} champs")
