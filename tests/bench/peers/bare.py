"""The least that FastAPI does for a request: a route that reads nothing and gives a small document."""

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Bare(BaseModel):
    """Next to nothing."""

    code: str
    children: int


@app.get("/bare")
async def get_bare() -> Bare:
    """Give it."""
    return Bare(code="SB00001", children=30)
