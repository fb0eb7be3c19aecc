"""From an order to finished files; knows neither databases nor HTTP."""
