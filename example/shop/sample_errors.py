"""What fails in the sample shop: exceptions as Django projects raise them, and where."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """
    One way to fail.

    ``message`` may contain ``{n}``, a number that differs between occurrences.
    ``line`` is the source line that fails, and ``variables`` are its locals.
    """

    exception: str
    message: str
    line: str
    variables: dict[str, Any]


FAILURES = (
    Failure(
        "TypeError",
        "unsupported operand type(s) for *: 'NoneType' and 'int'",
        "    return sum(line['price'] * line['quantity'] for line in lines)",
        {"line": {"sku": "MUG-01", "price": None, "quantity": 2}},
    ),
    Failure(
        "IndexError",
        "list index out of range",
        "    return carriers[position]",
        {"carriers": [], "position": 0},
    ),
    Failure(
        "KeyError",
        "'mugs'",
        "    return prices[category]",
        {"category": "mugs", "prices": {"tees": 1900}},
    ),
    Failure(
        "shop.models.Product.DoesNotExist",
        "Product matching query does not exist.",
        "    product = Product.objects.get(slug=slug)",
        {"slug": "blue-mug-{n}"},
    ),
    Failure(
        "django.db.utils.IntegrityError",
        "NOT NULL constraint failed: orders_order.customer_id",
        "    order.save()",
        {"order": "<Order: {n}>"},
    ),
    Failure(
        "ValueError",
        "VAT number DE{n} has 6 characters, not 11",
        "    raise ValueError(f'VAT number {number} has {len(number)} characters')",
        {"number": "DE{n}"},
    ),
    Failure(
        "UnicodeDecodeError",
        "'utf-8' codec can't decode byte 0xfc in position 0: invalid start byte",
        "    return payload.decode()",
        {"payload": "b'\\xfcber'"},
    ),
    Failure(
        "requests.exceptions.ReadTimeout",
        "HTTPSConnectionPool(host='carrier.example', port=443): Read timed out.",
        "    response = session.get(address, timeout=5)",
        {"address": "https://carrier.example/track/{n}"},
    ),
    Failure(
        "AttributeError",
        "'NoneType' object has no attribute 'email'",
        "    send_receipt(order.customer.email)",
        {"order": {"id": 17, "customer": None}},
    ),
    Failure(
        "decimal.InvalidOperation",
        "[<class 'decimal.ConversionSyntax'>]",
        "    return Decimal(text)",
        {"text": "12,90 EUR"},
    ),
    Failure(
        "json.decoder.JSONDecodeError",
        "Expecting value: line 1 column 1 (char 0)",
        "    return json.loads(body)",
        {"body": "<html>Bad gateway</html>"},
    ),
    Failure(
        "PermissionError",
        "[Errno 13] Permission denied: '/srv/media/export-{n}.csv'",
        "    with path.open('w') as file:",
        {"path": "PosixPath('/srv/media/export-{n}.csv')"},
    ),
)

PACKAGES = (
    *("orders", "catalog", "accounts", "billing", "shipping", "search"),
    *("reports", "marketing", "media", "support", "warehouse", "payments"),
)
VERBS = (
    *("total", "load", "send", "check", "find", "create", "update", "export"),
    *("render", "count", "import", "notify", "refund"),
)
NOUNS = (
    *("order", "basket", "customer", "invoice", "parcel", "voucher", "label"),
    *("price", "address", "picture", "stock", "review", "report", "payment"),
)
METHODS = ("GET", "POST", "GET", "GET")
BROWSERS = (
    "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Version/18.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36",
    "python-requests/2.32.5",
)
FIRST_NAMES = (
    *("ada", "barbara", "carla", "donald", "edsger", "frances", "grace", "hedy"),
    *("ivan", "jean", "karen", "leslie", "margaret", "niklaus"),
)

#: Address that nothing answers, and the page that links to it; "" if it is unknown.
DEAD_LINKS = (
    ("/old-page/", "/"),
    ("/old-page/", "/help/"),
    ("/summer-sale/", "/newsletter/june/"),
    ("/catalog/mugs.html", "/blog/ten-mugs/"),
    ("/favicon-32.png", "/"),
    ("/wp-login.php", ""),
)
#: Why an exception is no bug, in words like the gate's; and why a dead link is none.
SUPPRESSED = (
    "fewer than 3 clients so far",
    "bots: most clients name themselves as programs",
)
SUPPRESSED_LINK = "no evidence that this site is at fault"
