"""Docks, pages and widgets: the only place that knows Qt. They show a `View` and call the controller's verbs."""
