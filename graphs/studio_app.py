"""What `langgraph dev` builds its routes into; Starlette comes with that server."""

from starlette.applications import Starlette
from starlette.middleware import Middleware

from aloe.graphs.own_pages import OwnPages

STUDIO = "https://smith.langchain.com"
"""Where LangGraph's studio runs in the browser."""

app = Starlette(middleware=[Middleware(OwnPages, also=(STUDIO,))])
