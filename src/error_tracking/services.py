"""The doorway to the two services; it only re-exports."""

from __future__ import annotations

from .capture import ErrorCaptureService
from .filing import BugCreationService

__all__ = ["BugCreationService", "ErrorCaptureService"]
