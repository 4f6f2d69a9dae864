"""What a server does with open sessions at a deploy, with the code of the page about servers.

The page's other rows were played by hand on 2026-12-02: python==3.13.5 litestar==2.25.0
quart==0.23.1 uvicorn==0.54.0 flask==3.1.3 django==6.1.3 gunicorn==27.0.1 uvicorn-worker==0.4.0
gevent==26.9.0 aiohttp==3.14.5 hypercorn==0.18.0 celery==5.7.0 rq==3.0.0 dramatiq==2.2.1. Lambda:
SIGSTOP, SIGKILL.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from firecrawl_interact import FakeService, LoopbackService

from ..docs.pages import blocks, sections

DJANGO = """
import asyncio, os
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path
from sessions import delete_session, with_lifespan

async def work(request):
    async with delete_session.on_exit(os.environ["SESSION_IDS"]):
        print("open", flush=True)
        await asyncio.sleep(3600)

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="asgi", SECRET_KEY="test")
urlpatterns = [path("", work)]
application = with_lifespan(get_asgi_application())
"""
FASTAPI = """
import asyncio, os
from contextlib import asynccontextmanager
from fastapi import FastAPI
from firecrawl_interact import async_delete_session_from_environment

@asynccontextmanager
async def lifespan(application):
    async with async_delete_session_from_environment() as first:
        application.state.delete_session = first.replace(on_outcome=repr)
        yield

application = FastAPI(lifespan=lifespan)

async def hold(session_id):
    async with application.state.delete_session.on_exit(session_id):
        await asyncio.sleep(3600)

async def take(*session_ids):
    for session_id in session_ids:
        yield session_id
    await asyncio.sleep(3600)

@application.get("/")
async def work():
    first, second, third = os.environ["SESSION_IDS"].split()
    background = asyncio.create_task(hold(first))
    run = application.state.delete_session.many(take(second))
    async with application.state.delete_session.on_exit(third), run:
        async for outcome in run:
            print("open", flush=True)
"""


@pytest.mark.slow
@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("program", "sessions"), [(DJANGO, 1), (FASTAPI, 3)], ids=["Django", "FastAPI"]
)
def test_uvicorn_leaves_no_session_at_sigterm(program: str, sessions: int, tmp_path: Path) -> None:
    [code] = blocks(dict(sections("docs/servers-and-workers.md"))["Django"], "python")
    (tmp_path / "sessions.py").write_text(code)
    (tmp_path / "asgi.py").write_text(program)
    service = FakeService()
    session_ids = " ".join(service.open_session() for _ in range(sessions))
    command = [sys.executable, "-m", "uvicorn", "--timeout-graceful-shutdown", "1"]
    with LoopbackService(service) as loopback, socket.create_server(("127.0.0.1", 0)) as listener:
        variables = {"FIRECRAWL_API_URL": loopback.api_url, "FIRECRAWL_API_KEY": "fc-test"}
        server = subprocess.Popen(
            [*command, "asgi:application", "--fd", str(listener.fileno())],
            cwd=tmp_path,
            env={**os.environ, **variables, "SESSION_IDS": session_ids},
            stdout=subprocess.PIPE,
            pass_fds=[listener.fileno()],
        )
        with server, socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            try:
                assert server.stdout is not None
                assert server.stdout.readline() == b"open\n"
                server.terminate()
                server.wait(timeout=30)
            finally:
                server.kill()
    assert service.sessions_left_open == []
