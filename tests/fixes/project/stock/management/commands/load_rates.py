from __future__ import annotations

import json
from pathlib import Path

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Loads rates from a JSON file and prices from a folder of them."""

    def add_arguments(self, parser):
        parser.add_argument("folder")
        parser.add_argument("--rates", default="")
        parser.add_argument("--since-days", type=int, default=0)

    def handle(self, *, folder, rates, since_days, **options):
        if rates:
            self.load(Path(rates))
        if since_days > 40:
            self.stdout.write(self.oldest([]))
        self.stdout.write(self.newest(Path(folder)))

    def load(self, path):
        if not path.exists():
            self.stdout.write("no rates")
            return
        rates = json.loads(path.read_text())
        self.stdout.write(str([self.rate(each) for each in rates]))

    def rate(self, each):
        return 100 / (each["factor"] or 1)

    def newest(self, folder):
        files = sorted(folder.iterdir())
        if len(files) > 1:
            return self.common(files)
        return files[-1].name if files else "none"

    def common(self, files):
        beginnings = {file.name.partition("-")[0] for file in files}
        return min(beginnings) if len(beginnings) == 1 else "several"

    def oldest(self, names):
        return names[0] if names else "none"
