"""A placeholder lies on the same side of the code's limits as the number that was sent."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from error_tracking.report.known_names import KnownNames
from error_tracking.report.placeholders import kind_of, known_kind, placeholder_for
from error_tracking.report.thresholds import (
    MOST,
    kind_beside,
    limits_of_code,
    limits_of_fields,
)


def limits(*numbers):
    return frozenset(Decimal(str(number)) for number in numbers)


def placeholder(value, *numbers):
    kind = kind_beside(kind_of("", value), value, limits(*numbers))
    assert known_kind("", kind) == kind
    return placeholder_for(kind)


class TestPlaceholders:
    @pytest.mark.parametrize(
        ("value", "numbers", "made"),
        [
            (45, (), 10),
            (45, (30,), 31),
            (45, (60,), 10),
            (45, (30, 60), 31),
            ("45", (30, 60), "31"),
            (30, (30,), 30),
            (29, (30,), 10),
            (400, (30, 365), 366),
            (5, (3,), 4),
            (-45, (-30, 30), -31),
            ("-7", (-3,), "-4"),
            (0, (3,), 0),
            ("0", (3,), "0"),
            ("", (3,), ""),
            ("Anna", (3,), "example"),
            (True, (3,), True),
            (0.25, (), 0.5),
            (0.25, (0.3,), 0.2),
            ("0.05", (0.1,), "0.05"),
            ("17.25", (15,), "57.5"),
            ("99.5", (99,), "99.5"),
            ("3.7", (3.7,), "3.7"),
            ("1970", (2000,), "1000"),
            ("2024", (2000,), "2026"),
            (10**19, (3,), 10**18),
        ],
    )
    def test_it_is_near_and_beside(self, value, numbers, made):
        assert placeholder(value, *numbers) == made

    def test_any_number_is_on_the_same_side_of_any_limits(self):
        chance = random.Random(3)
        for _ in range(3_000):
            numbers = [chance.randint(-300, 300) for _ in range(chance.randint(1, 6))]
            if chance.random() < 0.5:
                value = chance.randint(-400, 400)
            else:
                value = round(chance.uniform(-40, 40), 2)
            made = placeholder(value, *numbers)
            for number in numbers:
                assert (value < number) == (made < number), (value, numbers, made)
                assert (value > number) == (made > number), (value, numbers, made)

    def test_number_of_a_person_or_a_secret_is_not_compared(self):
        known = KnownNames(frozenset(), frozenset({"pin"}), limits=limits(30))
        assert known.kind_of("days", 45) == "int:31"
        for name in ("pin", "password", "health_score"):
            assert known.kind_of(name, 45) == "int:10"


SOURCE = """
LEAST: int = 20
TABLE = {{"Anna": 1}}
NAMES = [1, 2]

class View:
    most = 90
    rates = {{7: "low", "8": "high"}}

    def post(self, days):
        if days < LEAST or not -5 < days <= self.most or days in (11, 12):
            return min(days, 33) + 1_000
        match days:
            case 44:
                return {{55: 1}}[days]
        return days == Decimal("0.5") or days == UNKNOWN or days == True

def many(x):
    return x in ({})
""".format(", ".join(map(str, range(MOST + 1))))


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "views.py"
    file.write_text(SOURCE)
    return str(file)


class TestCode:
    def test_numbers_are_read_that_the_function_compares_with(self, path):
        frames = [{"abs_path": path, "function": "View.post"}]
        assert limits_of_code(frames) == limits(20, 90, -5, 11, 12, 33, 44, 55, 0.5)

    @pytest.mark.parametrize("function", ["many", "missing", "<module>", ""])
    def test_a_table_of_numbers_is_no_limit(self, path, function):
        assert limits_of_code([{"abs_path": path, "function": function}]) == limits()

    def test_other_files_have_no_limits(self, tmp_path):
        broken = tmp_path / "broken.py"
        broken.write_text("def post(:")
        for name in (str(broken), str(tmp_path / "missing.py"), "", "page.html"):
            assert limits_of_code([{"abs_path": name, "function": "post"}]) == limits()
            assert limits_of_fields([name]) == {}

    def test_fields_declare_their_limits(self, tmp_path):
        file = tmp_path / "forms.py"
        file.write_text(
            "class F(Form):\n"
            "    days = IntegerField(min_value=30, max_value=365, initial=7)\n"
            "    price: Decimal = Field(gt=0, le=Decimal('9.5'))\n"
            "    rate = IntegerField(validators=[MinValueValidator(3)])\n"
            "    name = CharField(max_length=60)\n"
            'SCHEMA = {"timeout": {"minimum": 60, "type": "number", **more}}\n'
            "def setting(self):\n    self.most: int = 5\n"
        )
        assert limits_of_fields([str(file)]) == {
            "days": limits(30, 365),
            "price": limits(0, 9.5),
            "rate": limits(3),
            "timeout": limits(60),
            "SCHEMA": limits(60),
        }
