"""Tags for the project's templates."""

from __future__ import annotations
