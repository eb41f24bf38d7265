"""
Planted secrets: what a tracker keeps of them, and which harmless texts it changes.

``project`` is a Django project in which every function fails with a secret in its
reach. Whoever adds to it must not have the scrubber in mind: a plant is fair if a
careful person would recognise the secret in the event by its name, by the syntax
around it or by its form.
"""
