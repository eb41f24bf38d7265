"""
The bugs: what to change in ``project`` to have each one, and what makes it fail.

The project itself is right, so the fix of a bug is to take its patch back. ``rows`` and
``fail`` are Python that runs with the names of :mod:`tests.fixes.trigger`: all models,
a ``client``, ``sign_in()``, ``command()``, ``task()``, ``upload()``, ``folder()``; and
``word()``, ``slug()`` and ``cell()``, which give texts that may be in no bug file: any,
for a path or a host, for a table.
"""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """
    One bug.

    Attributes:
        name: Of the case.
        file: The file of the project that has the bug.
        right: A text that the file has once.
        wrong: The text that takes its place.
        fail: Makes the bug happen.
        rows: Creates the rows that it needs.

    """

    name: str
    file: str
    right: str
    wrong: str
    fail: str
    rows: str = ""


CHECK = "check = Check.objects.create(project=project, name=word(), owner=user())"
KEY = 'headers={"x-api-key": project.api_key}'
PROJECT = "project = Project.objects.create(name=word(), api_key=key())\n"
ORDER = "order = Order.objects.create(number=slug(), user=user())\n"
PRODUCT = (
    "shelf = Category.objects.create(name=word(), slug='shelf')\n"
    "product = Product.objects.create(title=word(), upc='4711', category=shelf)\n"
)
PARTNER = "partner = Partner.objects.create(name=word(), code='acme')\n"
LINE = (
    "Line.objects.create(order=order, product=product, quantity=3, price=Decimal('4'))"
)
RECORD = (
    "StockRecord.objects.create("
    "product=product, partner=partner, sku=word(), price=5, amount=2)"
)

CASES = (
    # --- the shop, with a language in front of each address
    Case(
        "recursion_of_a_category",
        "stock/models.py",
        "self.parent is None or self.parent_id == self.pk",
        "self.parent is None",
        'client.get(f"/en/category/{slug()}/")',
        "loop = Category.objects.create(name=word(), slug=slug())\n"
        "loop.parent = loop\n"
        "loop.save()",
    ),
    Case(
        "link_in_a_template",
        "stock/templates/stock/product.html",
        "{% if product %}<a",
        "{% if True %}<a",
        'client.get("/de/product/77/")',
    ),
    Case(
        "division_by_a_column",
        "stock/views.py",
        "1000 // (item.weight or 1)",
        "1000 // item.weight",
        'client.get(f"/en/product/{product.pk}/weight/")',
        PRODUCT + "product.weight = 0\nproduct.save()",
    ),
    Case(
        "first_of_no_related_row",
        "stock/views.py",
        'str(record.price) if record else "not in stock"',
        "str(record.price)",
        'client.get(f"/en/product/{product.pk}/stock/")',
        PRODUCT,
    ),
    Case(
        "null_date",
        "stock/views.py",
        "age = now - item.released if item.released else None",
        "age = now - item.released",
        'client.get(f"/en/product/{product.pk}/age/")',
        PRODUCT,
    ),
    Case(
        "number_of_a_page",
        "stock/views.py",
        "number = int(page) if page.isdigit() else 1",
        "number = int(page)",
        'client.get("/en/search/", {"q": word(), "page": ""})',
    ),
    Case(
        "anonymous_visitor",
        "stock/views.py",
        "if not request.user.is_authenticated:\n        return redirect",
        "if request.user is None:\n        return redirect",
        'client.get("/en/profile/")',
    ),
    Case(
        "no_related_profile",
        "stock/views.py",
        "except Profile.DoesNotExist:",
        "except Profile.MultipleObjectsReturned:",
        'sign_in(); client.get("/en/company/")',
    ),
    Case(
        "missing_session_key",
        "stock/views.py",
        'request.session.get("lines", [])',
        'request.session["lines"]',
        'client.get("/en/basket/")',
    ),
    Case(
        "kept_in_the_session",
        "stock/views.py",
        'total = sum(line["quantity"] for line in lines)',
        'total = sum(line["amount"] for line in lines)',
        'session(lines=[{"quantity": 2, "title": word()}]);client.get("/en/basket/")',
    ),
    Case(
        "missing_form_field",
        "stock/views.py",
        'request.POST.get("size", "M")',
        'request.POST["size"]',
        'client.post("/en/basket/add/", {"quantity": "2", "note": word()})',
    ),
    Case(
        "empty_form_field",
        "stock/views.py",
        'int(request.POST.get("quantity") or 1)',
        'int(request.POST["quantity"])',
        'client.post("/de/basket/add/", {"size": "L", "quantity": ""})',
    ),
    Case(
        "order_without_lines",
        "stock/views.py",
        'first.product.title if first else "no lines"',
        "first.product.title",
        'client.get(f"/en/order/{slug()}/")',
        ORDER,
    ),
    Case(
        "null_text",
        "stock/views.py",
        '(found.coupon or "").upper()',
        "found.coupon.upper()",
        'client.get(f"/en/order/{slug()}/coupon/")',
        ORDER,
    ),
    Case(
        "stream_of_lines",
        "stock/views.py",
        "line.price / line.quantity if line.quantity else 0",
        "line.price / line.quantity",
        'stream(client.get(f"/en/order/{slug()}/export/"))',
        ORDER + PRODUCT + LINE + "\nLine.objects.update(quantity=0)",
    ),
    Case(
        "null_in_a_list",
        "stock/views.py",
        'len(each.api_url or "")',
        "len(each.api_url)",
        'client.get("/en/partners/")',
        PARTNER,
    ),
    Case(
        "host_of_a_tenant",
        "stock/views.py",
        'partner.name if partner else "no such partner"',
        "partner.name",
        'client.get("/en/offer/", headers={"host": f"{slug()}.depot.example"})',
    ),
    Case(
        "secure_page",
        "stock/views.py",
        "reference[:1]",
        "reference[0]",
        'client.get("/en/checkout/", secure=True)',
    ),
    Case(
        "none_yet",
        "stock/views.py",
        'item.title if item else "none yet"',
        "item.title",
        'client.get("/en/newest/")',
    ),
    Case(
        "handled_division",
        "stock/views.py",
        "share = 100 / amount if amount else 0",
        "share = 100 / amount",
        'client.get("/en/colours/", {"amount": "0"})',
    ),
    Case(
        "method_of_a_class",
        "stock/views.py",
        "if not text:\n            return timezone.now()",
        'if text == "now":\n            return timezone.now()',
        'sign_in(); client.get("/en/report/", {"since": ""})',
    ),
    # --- the dashboard, for the staff
    Case(
        "null_price_in_bulk",
        "stock/dashboard.py",
        'price = row.get("price") or "0"',
        'price = row.get("price")',
        'sign_in("staff"); client.post("/en/dashboard/stock/", {'
        '"action": "add_products", "partner": "acme",'
        '"file": upload("list.csv", f"upc,title\\n4711,{cell()}\\n")})',
        PARTNER + PRODUCT,
    ),
    Case(
        "decimal_and_float",
        "stock/dashboard.py",
        'line.price * Decimal("0.9")',
        "line.price * 0.9",
        'sign_in("staff"); client.post(f"/en/dashboard/order/{order.pk}/", {'
        '"action": "refund", "line": line.pk, "quantity": "2"})',
        ORDER + PRODUCT + "line = " + LINE,
    ),
    Case(
        "name_of_a_file",
        "stock/dashboard.py",
        'name.encode("utf-8")',
        'name.encode("ascii")',
        'sign_in("staff"); client.post("/de/dashboard/image/", {'
        '"image": upload(f"Bär {word()}.png", "x")})',
    ),
    Case(
        "key_in_a_json_file",
        "stock/dashboard.py",
        'feed.get("items", [])',
        'feed["items"]',
        'sign_in("staff"); client.post("/en/dashboard/feed/", {'
        '"feed": upload("feed.json", json.dumps({"title": word()}))})',
    ),
    Case(
        "column_of_a_csv",
        "stock/dashboard.py",
        'columns.get("price", 0)',
        'columns["price"]',
        'sign_in("stock.change_stockrecord");client.post("/en/dashboard/prices/", {'
        '"prices": upload("p.csv", f"title,cost\\n{cell()},12\\n")})',
    ),
    Case(
        "valid_form_of_a_class",
        "stock/dashboard.py",
        'url.split("/")[2] if url else ""',
        'url.split("/")[2]',
        'sign_in("stock.add_partner"); client.post("/en/dashboard/partner/", {'
        '"name": word(), "code": "new-one", "url": ""})',
    ),
    Case(
        "value_that_decides",
        "stock/dashboard.py",
        "shelf.name if shelf else ''",
        "shelf.name",
        'sign_in("staff"); '
        'client.post(f"/en/dashboard/product/{product.pk}/status/",'
        ' {"status": "gone"})',
        "product = Product.objects.create(title=word(), upc='1')",
    ),
    Case(
        "number_above_a_limit",
        "stock/dashboard.py",
        "/ max(len(kept), 1)",
        "/ len(kept)",
        'sign_in("superuser"); client.post("/en/dashboard/purge/", {"days": "45"})',
    ),
    Case(
        "unique_column",
        "stock/dashboard.py",
        'partner = Partner.objects.filter(code=request.POST["code"]).first()',
        'partner = Partner.objects.filter(name=request.POST["code"]).first()',
        'sign_in("staff"); client.post("/en/dashboard/settle/", {"code": "acme"})',
        PARTNER,
    ),
    # --- monitoring, without a language
    Case(
        "owner_who_left",
        "monitor/views.py",
        'check.owner.username if check.owner else "nobody"',
        "check.owner.username",
        'client.get(f"/checks/{check.code}/owner/")',
        PROJECT + CHECK.replace("user()", "None"),
    ),
    Case(
        "never_pinged",
        "monitor/views.py",
        "(check.last_ping or timezone.now())",
        "check.last_ping",
        'client.post(f"/ping/{check.code}/", word(), content_type="text/plain")',
        PROJECT + CHECK,
    ),
    Case(
        "optional_key_of_json",
        "monitor/views.py",
        'log.get("run")',
        'log["run"]',
        'client.post(f"/ping/{check.code}/start/", {"host": word()},'
        ' content_type="application/json")',
        PROJECT + CHECK,
    ),
    Case(
        "unknown_state",
        "monitor/views.py",
        'COLOURS.get(state, "grey")',
        "COLOURS[state]",
        'client.get(f"/badge/{slug()}/")',
    ),
    Case(
        "async_view",
        "monitor/views.py",
        'check.name if check else "gone"',
        "check.name",
        'client.get("/async/11111111-1111-4111-8111-111111111111/")',
    ),
    # --- an API with a key in a header
    Case(
        "two_of_one_name",
        "monitor/api.py",
        "return Check.objects.filter(project=project, "
        'name=data["name"]).first()\n    return None',
        'return Check.objects.get(project=project, name=data["name"])\n    return None',
        'client.post("/api/checks/", {"name": name, "unique": ["name"],'
        f' "timeout": 900}}, content_type="application/json", {KEY})',
        PROJECT
        + "name = word()\n"
        + "for _ in range(2): Check.objects.create(project=project, name=name)",
    ),
    Case(
        "naive_and_aware",
        "monitor/api.py",
        'int(request.GET["start"]), tz=dt.UTC)',
        'int(request.GET["start"]))',
        f'client.get(f"/api/checks/{{check.code}}/flips/", {{"start": "1700000000"}}, {KEY})',
        PROJECT + CHECK,
    ),
    Case(
        "optional_zone",
        "monitor/api.py",
        'zone = data.get("tz", "UTC")',
        'zone = data["tz"]',
        'client.post("/api/checks/", {"name": word(), "timeout": 3600,'
        f' "schedule": "*/5 * * * *"}}, content_type="application/json", {KEY})',
        PROJECT,
    ),
    Case(
        "null_in_json",
        "monitor/api.py",
        'tags = data.get("tags") or ""',
        'tags = data.get("tags", "")',
        f'client.put(f"/api/checks/{{check.code}}/", {{"name": word(), "tags": None}},'
        f' content_type="application/json", {KEY})',
        PROJECT + CHECK,
    ),
    # --- REST framework and GraphQL
    Case(
        "serializer_of_a_null_relation",
        "api/rest.py",
        "product.category.name if product.category else None",
        "product.category.name",
        'client.get("/products/")',
        "Product.objects.create(title=word(), upc='1')",
    ),
    Case(
        "optional_field_of_a_serializer",
        "api/rest.py",
        'validated_data.pop("note", "")',
        'validated_data.pop("note")',
        'client.post("/products/", {"title": word(), "upc": "9"},'
        ' content_type="application/json", headers=token())',
    ),
    Case(
        "key_below_a_field",
        "api/rest.py",
        'shelf["name"], "product"',
        'shelf["title"], "product"',
        'client.post(f"/products/{product.pk}/release/", {"shelf": {"name": word()}},'
        ' content_type="application/json", headers=token())',
        PRODUCT,
    ),
    Case(
        "guest_in_a_list_for_the_staff",
        "api/rest.py",
        'order.user.username if order.user else ""',
        "order.user.username",
        'sign_in("staff"); client.get("/orders/")',
        "Order.objects.create(number=slug())",
    ),
    Case(
        "mean_of_nothing",
        "api/rest.py",
        "/ max(len(numbers), 1)",
        "/ len(numbers)",
        'client.get("/totals/", headers=token())',
    ),
    Case(
        "resolver_of_graphql",
        "api/graphql.py",
        'self.category.name if self.category else ""',
        "self.category.name",
        'client.post("/graphql/", {"query":'
        " '{ product(upc: \"55\") { title shelf } }'},"
        ' content_type="application/json")',
        "Product.objects.create(title=word(), upc='55')",
    ),
    Case(
        "negative_slice_of_graphql",
        "api/graphql.py",
        "abs(first or 10)",
        "first",
        'client.post("/graphql/", {"query": "query Find($text: String, $first: Int)'
        ' { search(text: $text, first: $first) { title } }",'
        ' "variables": {"text": word(), "first": -3}},'
        ' content_type="application/json")',
    ),
    Case(
        "literal_of_graphql",
        "api/graphql.py",
        "1000 / (self.weight or 1)",
        "1000 / self.weight",
        'client.post("/graphql/", {"query":'
        " '{ mine: product(upc: \"56\") { ... { perKilo(digits: 2) } } }'},"
        ' content_type="application/json")',
        "Product.objects.create(title=word(), upc='56', weight=0)",
    ),
    Case(
        "mutation_of_graphql",
        "api/graphql.py",
        'order.get("coupon") or ""',
        'order["coupon"]',
        'client.post("/graphql/", {"operationName": "Place", "query":'
        ' "mutation Place($order: OrderInput!) { anna: placeOrder(order: $order)'
        ' { ...Parts } } fragment Parts on PlaceOrder { number }",'
        ' "variables": {"order": {"number": word()}}},'
        ' content_type="application/json")',
    ),
    Case(
        "known_word_of_graphql",
        "api/graphql.py",
        "[found.first()] if found else []",
        "[found[0]]",
        'client.post("/graphql/", {"query":'
        " 'query { byStatus(status: \"gone\") { title } }'},"
        ' content_type="application/json")',
    ),
    # --- below a script's name
    Case(
        "below_a_script",
        "stock/views.py",
        'above[-1] if above else "below the root"',
        "above[-1]",
        'client.get("/en/mounted/", SCRIPT_NAME="/depot")',
    ),
    Case(
        "link_below_a_script",
        "stock/views.py",
        '{"/en/category/help/": "en"}.get(address, "below a script")',
        '{"/en/category/help/": "en"}[address]',
        "with below('/intern'): client.get('/en/help/', SCRIPT_NAME='/intern')",
    ),
    # --- files of data
    Case(
        "empty_cell_of_a_csv",
        "stock/imports.py",
        'int(row["weight"] or 0)',
        'int(row["weight"])',
        'sign_in("staff"); client.post("/en/dashboard/weights/", {"weights":'
        ' upload("w.csv", f"upc;weight;title\\n1;12;{cell()}\\n2;;{cell()}\\n")})',
    ),
    Case(
        "negative_number_in_a_json_file",
        "stock/imports.py",
        'math.sqrt(max(item["amount"], 0))',
        'math.sqrt(item["amount"])',
        'sign_in("staff"); client.post("/en/dashboard/amounts/", {"feed": upload('
        '"f.json", json.dumps({"items": [{"amount": 4}, {"amount": -3,'
        ' "title": word(), word(): 1}]}))})',
    ),
    Case(
        "encoding_of_a_csv",
        "stock/imports.py",
        'decode("utf-8", "replace")',
        'decode("utf-8")',
        'sign_in("staff"); client.post("/de/dashboard/names/", {"names":'
        ' upload("n.csv", f"title\\nBär {cell()}\\n".encode("latin-1", "replace"))})',
    ),
    Case(
        "csv_without_rows",
        "stock/imports.py",
        'rows[0] if rows else {"price": "0"}',
        "rows[0]",
        'sign_in("staff"); client.post("/en/dashboard/first/",'
        ' {"prices": upload("p.csv", "upc;price\\n")})',
    ),
    Case(
        "known_word_in_a_csv",
        "stock/imports.py",
        'product.title if product else "not there"',
        "product.title",
        'sign_in("staff"); client.post("/en/dashboard/actions/", {"actions": upload('
        '"a.csv", f"action;upc\\nadd;{cell()}\\nremove;{cell()}\\n")})',
    ),
    Case(
        "zero_in_a_csv",
        "stock/imports.py",
        '(int(row["pieces"]) or 1)',
        'int(row["pieces"])',
        'sign_in("staff"); client.post("/en/dashboard/margin/", {"margins": upload('
        '"m.csv", f"\\ufefftitle;margin;pieces\\n{cell()};3;0\\n")})',
    ),
    # --- numbers between limits of the code
    Case(
        "number_between_limits_of_a_form",
        "stock/dashboard.py",
        'shelf.name if shelf else "no shelf for the sale"',
        "shelf.name",
        'sign_in("staff"); client.post("/en/dashboard/sale/", {"percent": "55"})',
    ),
    Case(
        "number_between_constants",
        "stock/dashboard.py",
        'str(latest.placed.date()) if latest else "none"',
        "str(latest.placed.date())",
        'sign_in("staff"); client.get("/en/dashboard/age/", {"days": "17"})',
    ),
    # --- commands
    Case(
        "check_that_never_succeeded",
        "monitor/management/commands/report_runs.py",
        "check.success_at is None or check.success_at < before",
        "check.success_at < before",
        'command("report_runs")',
        PROJECT + CHECK,
    ),
    Case(
        "column_of_a_command_file",
        "stock/management/commands/import_partners.py",
        'name=row.get("name") or ""',
        'name=row["name"]',
        'command("import_partners", file("partners.csv", f"code,city\\na1,{cell()}\\n"))',
    ),
    Case(
        "option_that_is_zero",
        "stock/management/commands/reprice.py",
        "Decimal(100) / percent if percent else Decimal(1)",
        "Decimal(100) / percent",
        'command("reprice", "lower", "--percent=0", f"--note={word()}")',
    ),
    Case(
        "flag_of_a_command",
        "stock/management/commands/reprice.py",
        "if released is None:\n            return",
        'if released == "":\n            return',
        'command("reprice", "raise", "--since=2026-01-02", "--dry-run")',
        PARTNER + PRODUCT + RECORD,
    ),
    Case(
        "signal_of_a_fixture",
        "stock/signals.py",
        "if not instance.amount:",
        "if instance.amount is None:",
        'command("reprice", "raise")',
        PARTNER + PRODUCT + RECORD + "\nStockRecord.objects.update(amount=0)",
    ),
    Case(
        "empty_folder_of_a_command",
        "stock/management/commands/load_rates.py",
        'files[-1].name if files else "none"',
        "files[-1].name",
        'command("load_rates", folder())',
    ),
    Case(
        "missing_file_of_a_command",
        "stock/management/commands/load_rates.py",
        "if not path.exists():",
        'if path.name == "rates":',
        'command("load_rates", "--rates", folder() + f"/{slug()}.json", folder())',
    ),
    Case(
        "zero_in_a_file_of_a_command",
        "stock/management/commands/load_rates.py",
        '(each["factor"] or 1)',
        'each["factor"]',
        'command("load_rates", folder(), "--rates=" + file("r.json",'
        ' json.dumps([{"factor": 3, "name": word()}, {"factor": 0}])))',
    ),
    Case(
        "option_above_a_limit",
        "stock/management/commands/load_rates.py",
        'names[0] if names else "none"',
        "names[0]",
        'command("load_rates", ".", "--since-days=45")',
    ),
    # --- tasks
    Case(
        "task_with_a_guest",
        "stock/tasks.py",
        'order.user.email if order.user else "guest"',
        "order.user.email",
        'task("send_order", slug(), express=True)',
        "Order.objects.create(number=slug())",
    ),
    Case(
        "task_with_a_payload",
        "stock/tasks.py",
        'payload.get("name") or ""',
        'payload["name"]',
        'task("sync_partner", word(), {"title": word()})',
    ),
    Case(
        "task_with_zero",
        "stock/tasks.py",
        "score / (scale or 1)",
        "score / scale",
        'task("rate", 4, scale=0)',
    ),
    Case(
        "task_with_the_key_of_a_row",
        "stock/tasks.py",
        "(product.weight or 1)",
        "product.weight",
        'task("weigh", product.pk, attempt=1)',
        PRODUCT + "product.weight = 0\nproduct.save()",
    ),
    Case(
        "task_with_a_key_and_a_limit",
        "stock/tasks.py",
        "product.released.date() if product.released else None",
        "product.released.date()",
        'task("release", product.pk, percent=30)',
        PRODUCT,
    ),
    # --- more than a bug file tells: a test may say so, and may not be content
    Case(
        "word_of_a_module_in_a_csv",
        "stock/hard.py",
        'int(row["pieces"] or 0)',
        'int(row["pieces"])',
        'client.post("/en/bookings/", {"bookings": upload("b.csv",'
        ' "sort;pieces\\ndebit;1\\ncredit;\\n")})',
    ),
    Case(
        "rows_as_plain_values",
        "stock/hard.py",
        'first.partition("-")[2] or "no part"',
        'first.split("-")[1]',
        'client.get("/en/order/")',
        "for number in ('N1', 'N2'): Order.objects.create(number=number)",
    ),
    Case(
        "form_of_a_text",
        "stock/hard.py",
        "int(part) if part.isdigit() else 0",
        "int(part)",
        'client.get("/en/part/", {"code": "12-A"})',
    ),
    Case(
        "leap_day",
        "stock/hard.py",
        "if (day.month, day.day) == (2, 29):",
        "if (day.month, day.day) == (2, 30):",
        'client.get("/en/next-year/", {"day": "2028-02-29"})',
    ),
    Case(
        "header_that_is_not_recorded",
        "stock/hard.py",
        "float(quality if quality.isdecimal() else 1)",
        "float(quality)",
        'client.get("/en/language/", headers={"accept-language": "de;q=high"})',
    ),
    Case(
        "length_of_a_text",
        "stock/hard.py",
        "words[5] if len(words) > 5 else words[-1]",
        "words[5]",
        'client.get("/en/label/", {"title": f"Anna-from-the-old-mill {slug()} {slug()}"})',
    ),
    Case(
        "number_of_equal_items",
        "stock/tasks.py",
        '(other["size"] or 1)',
        'other["size"]',
        'task("pair", [{"size": 0}, {"size": 0}])',
    ),
    Case(
        "files_in_a_folder",
        "stock/management/commands/load_rates.py",
        'min(beginnings) if len(beginnings) == 1 else "several"',
        "beginnings[0]",
        'command("load_rates", folder("a-1.csv", "b-1.csv"))',
    ),
)
