"""From a failed request or an exception to an event: begin to read in ``service``."""
