"""Cards, bank accounts, and the companies that move money."""

from __future__ import annotations

import dataclasses
import json

from bench.secrets.planting import SECRET, given, view


@view(
    "card-form",
    "form",
    "card number",
    form={"holder": "A. Smith", "card_number": SECRET, "month": "12"},
)
def pay(request):
    month = int(request.POST["month"])
    raise ValueError(f"month {month} is not served")


@view("card-json", "JSON body", "card number", data={"amount": 1200, "pan": SECRET})
def charge(request):
    amount = json.loads(request.body)["amount"]
    raise ValueError(f"cannot charge {amount}")


@view("card-message", "exception, text", "card number")
def card_message(request):
    raise ValueError(f"Card {given()} was declined by the issuer")


@view("card-amex", "exception, text", "card number")
def amex(request):
    raise ValueError(f"no acquirer for {given()}")


@view("card-dashes", "local", "card number")
def card_dashes(request):
    typed = given()
    raise ValueError(f"{len(typed)} characters are not a number")


@view("card-int", "local, integer", "card number")
def card_integer(request):
    number = int(given())
    raise ValueError(f"{number.bit_length()} bits")


@view("card-int-dict", "local, dict of integers", "card number")
def card_integer_in_dict(request):
    order = {"id": 4411, "instrument": int(given()), "month": 3}
    raise ValueError(f"order {order['id']}")


@view(
    "card-int-json",
    "JSON body, integer",
    "card number",
    body=f'{{"number": {SECRET}, "qty": 2}}',
    content_type="application/json",
)
def card_integer_json(request):
    qty = json.loads(request.body)["qty"]
    raise ValueError(f"quantity {qty}")


@view("cvv-form", "form", "CVV", form={"cvc": SECRET, "holder": "A. Smith"})
def cvv(request):
    raise ValueError("holder is unknown")


@view("cvv-json", "JSON body", "CVV", data={"card": {"cvv2": SECRET, "brand": "amex"}})
def cvv_json(request):
    card = json.loads(request.body)["card"]
    raise ValueError(f"brand {card['brand']}")


@view("cvv-local", "local, dict", "CVV")
def cvv_local(request):
    card = {"brand": "visa", "security_code": given()}
    raise ValueError(f"brand {card['brand']}")


@view("cvv-message", "exception, repr of a dict", "CVV")
def cvv_message(request):
    raise ValueError(f"gateway refused { ({'brand': 'visa', 'cvv': int(given())})!r}")


@view("iban-form", "form", "IBAN", form={"holder": "A. Smith", "iban": SECRET})
def debit(request):
    raise ValueError("mandate is missing")


@view("iban-message", "exception, text", "IBAN")
def iban_message(request):
    raise ValueError(f"IBAN {given()} is not reachable by SEPA")


@view("iban-local", "local", "IBAN")
def iban_local(request):
    account = given()
    raise ValueError(f"{len(account)} characters")


@view("stripe-message", "exception, vendor", "API key")
def stripe(request):
    raise RuntimeError(f"AuthenticationError: Invalid API Key provided: {given()}")


@view("stripe-local", "local", "API key")
def stripe_key(request):
    stripe_api_key = given()
    raise RuntimeError(f"{len(stripe_api_key)} characters and no account")


@view("stripe-webhook", "local, dict", "webhook secret")
def stripe_webhook(request):
    options = {"tolerance": 300, "endpoint_secret": given()}
    raise ValueError(f"tolerance {options['tolerance']}")


@view(
    "stripe-client-secret",
    "query",
    "client secret",
    query={"payment_intent_client_secret": SECRET, "redirect_status": "failed"},
)
def stripe_return(request):
    status = request.GET["redirect_status"]
    raise ValueError(f"redirect {status}")


@view("stripe-signature", "header", "signature", headers={"stripe-signature": SECRET})
def stripe_event(request):
    raise ValueError("event is older than five minutes")


@view("paypal-message", "exception, vendor", "API key")
def paypal(request):
    raise RuntimeError(f"PayPal: 401 for client with token {given()}")


@view("square-header", "exception, headers dump", "API key")
def square(request):
    headers = {"Accept": "*/*", "Authorization": f"Bearer {given()}"}
    raise RuntimeError(f"Square answered 502, request headers were {headers}")


@view("mollie", "exception, text", "API key")
def mollie(request):
    raise RuntimeError(f"Mollie: the API key {given()} is not allowed here")


@view("adyen", "local, dict", "API key")
def adyen(request):
    client_options = {"environment": "live", "x-api-key": given(), "timeout": 30}
    raise RuntimeError(f"timeout after {client_options['timeout']}")


@dataclasses.dataclass
class Card:
    brand: str
    number: str
    cvc: str


@view("card-dataclass", "local, dataclass", "card number")
def card_dataclass(request):
    card = Card("visa", given(), "123")
    raise ValueError(f"brand {card.brand}")


@view("cvc-dataclass", "exception, repr of a dataclass", "CVV")
def cvc_dataclass(request):
    raise ValueError(f"cannot charge {Card('visa', '-', given())!r}")


@view("sepa-xml", "exception, XML", "IBAN")
def sepa(request):
    raise ValueError(f"line 3: <CdtrAcct><Id><IBAN>{given()}</IBAN></Id></CdtrAcct>")


@view("sepa-tan", "form", "one-time code", form={"order": "7", "tan": SECRET})
def tan(request):
    raise ValueError("order 7 is booked")
