"""The exhibits of the error zoo: where each is, how it is asked for, what comes of it."""

from __future__ import annotations

import dataclasses
import json
from urllib.parse import parse_qsl

CARD = {
    "amount": "12",
    "password": "not-to-be-stored",
    "card_number": "4111 1111 1111 1111",
}
ORDER = {
    "customer": {"mail": "ann@example.org"},
    "items": [{"amount": 2, "price": 9.5}],
    "vouchers": [],
}


@dataclasses.dataclass(frozen=True)
class Animal:
    """
    One exhibit. ``title`` is that of its group; ``command`` is run in place of a request.

    ``form`` and ``json`` are what is sent, ``upload`` is the field of a file that is.
    """

    name: str
    path: str
    title: str
    says: str
    becomes: str = "a bug at once"
    status: int = 500
    is_bug: bool = True
    method: str = "GET"
    accepts_json: bool = False
    form: dict = dataclasses.field(default_factory=dict)
    json: object = None
    upload: str = ""
    command: tuple = ()

    @property
    def is_api(self):
        """Return whether only a program can ask for it: a browser's form sends no JSON and no PUT."""
        return bool(
            self.accepts_json
            or self.json is not None
            or self.upload
            or self.method not in {"GET", "POST"}
        )

    @property
    def fields(self):
        """Return what a browser's form sends, as pairs; a form with GET sends the query."""
        return (
            parse_qsl(self.path.partition("?")[2])
            if self.method == "GET"
            else list(self.form.items())
        )

    @property
    def body(self):
        """Return what a program sends, as JSON text; with an upload the fields beside it."""
        sent = self.json if self.json is not None else self.form
        return json.dumps(sent) if sent else ""


EVIDENCE = "counted; a bug only with evidence"
PARCEL = "/zoo/parcel/7/extra-large/6f1c0f0e-3f4e-4f0b-9a55-0d5a3c1b2e4f/pony/labels/front.pdf"

ANIMALS = [
    Animal(
        "Exception",
        "/zoo/exception/7/",
        "ValueError in shop.views.exception",
        "a view raises ValueError",
    ),
    Animal(
        "Nested cause",
        "/zoo/nested/",
        "RuntimeError in shop.views.nested",
        "an error while handling an error",
        "a bug with both tracebacks",
    ),
    Animal(
        "Async view",
        "/zoo/async/",
        "TimeoutError in shop.views.asynchronous",
        "a coroutine view raises",
    ),
    Animal(
        "View without answer",
        "/zoo/nothing/",
        "ValueError in django.core.handlers.base.BaseHandler.check_response on /zoo/nothing/",
        "a view returns None",
    ),
    Animal(
        "Broken template",
        "/zoo/template/",
        "ZeroDivisionError in shop.views.Basket.total",
        "a lazy template fails while rendering",
    ),
    Animal(
        "Streaming",
        "/zoo/streaming/",
        "OSError in shop.views.streaming.<locals>.rows",
        "the body fails half-way, after a 200",
        status=200,
    ),
    Animal(
        "Returned 500",
        "/zoo/returned/",
        "HTTP 500 on /zoo/returned/ (shop.views.returned)",
        "a view returns a 500 of its own",
        "a bug; the answer stays as it is",
    ),
    Animal(
        "API",
        "/zoo/api/",
        "KeyError in shop.views.api",
        "a JSON client meets an exception",
        "a bug; the client gets problem+json",
        accepts_json=True,
    ),
    Animal(
        "Query",
        "/zoo/search/?q=pony&page=0",
        "ZeroDivisionError in shop.views.search",
        "a page number that nobody thought of",
    ),
    Animal(
        "Checkout",
        "/zoo/checkout/",
        "ConnectionError in shop.views.checkout",
        "a form with a password and a card fails",
        "a bug without the secrets",
        method="POST",
        form=CARD,
    ),
    Animal(
        "Booking",
        "/zoo/booking/",
        "TypeError in shop.views.booking",
        "a valid form with an address, a date and a number",
        method="POST",
        form={"mail": "ann@example.org", "day": "2026-05-01", "nights": "3"},
    ),
    Animal(
        "Order",
        "/zoo/order/",
        "ZeroDivisionError in shop.views.order",
        "nested JSON with an empty list",
        method="POST",
        json=ORDER,
    ),
    Animal(
        "Photo",
        "/zoo/photo/",
        "ValueError in shop.views.photo",
        "an upload that is no picture",
        method="POST",
        form={"name": "pony"},
        upload="photo",
    ),
    Animal(
        "Shelf: PUT",
        "/zoo/warehouse/shelves/3/",
        "KeyError in shop.warehouse.Shelf.put",
        "a class-based view behind include()",
        method="PUT",
        json={"count": "5"},
    ),
    Animal(
        "Shelf: DELETE",
        "/zoo/warehouse/shelves/3/",
        "IndexError in shop.warehouse.Shelf.delete",
        "the same, without a body",
        method="DELETE",
    ),
    Animal(
        "No row",
        PARCEL,
        "User.DoesNotExist in shop.views.parcel",
        "get() finds nothing; its path has five kinds of values",
    ),
    Animal(
        "Row twice",
        "/zoo/twice/",
        "IntegrityError in shop.views.twice",
        "the database refuses a row",
    ),
    Animal(
        "Handled",
        "/zoo/handled/",
        "ConnectionError in shop.views.handled",
        "the view caught it and told of it",
        "a bug; the visitor saw nothing of it",
        status=200,
    ),
    Animal(
        "CSRF",
        "/zoo/form/",
        "CSRF failure on /zoo/form/",
        "a form of this site has lost its token",
        "a bug: it is the site's own form",
        403,
        method="POST",
    ),
    Animal(
        "Command",
        "",
        "ValueError in shop.management.commands.restock.Command.handle",
        "a management command fails",
        status=1,
        command=("restock", "--days=3"),
    ),
    Animal(
        "No such page",
        "/no/such/page/",
        "HTTP 404 on URLs that do not resolve",
        "a URL that does not resolve",
        EVIDENCE,
        404,
        is_bug=False,
    ),
    Animal(
        "Http404",
        "/zoo/missing/",
        "HTTP 404 on /zoo/missing/",
        "a view raises Http404",
        EVIDENCE,
        404,
        False,
    ),
    Animal(
        "Forbidden",
        "/zoo/forbidden/",
        "HTTP 403 on /zoo/forbidden/",
        "a view raises PermissionDenied",
        EVIDENCE,
        403,
        is_bug=False,
    ),
    Animal(
        "Bad request",
        "/zoo/suspicious/",
        "HTTP 400 on /zoo/suspicious/",
        "a view raises SuspiciousOperation",
        EVIDENCE,
        400,
        is_bug=False,
    ),
]
