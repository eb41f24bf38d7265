"""From a failed request or an exception to an event: ``service`` tells the story."""
