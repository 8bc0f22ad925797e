"""The app that ``otel-cost demo`` runs: a planner, a researcher and a writer for one team, a help desk for another.

It lives in the package, where the demo finds it after ``pip install``; read it in ``otel_cost/demo/app.py``. Sessions
that need a provider without an API key in the environment are left out.

opentelemetry-instrument python newsroom.py
"""

from otel_cost.demo.app import main

main()
