"""A Django project of one file that receives pushes in an async view.

Run it with ``uvicorn django_app:application``.
"""

import os
from collections.abc import AsyncIterator

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from emay_voice_async import Report
from emay_voice_async.receiver import PushReceiver, RecentReports

ACCOUNT = {os.environ["EMAY_VOICE_APP_ID"]: os.environ["EMAY_VOICE_SECRET_KEY"]}
REPORTS: list[Report] = []  # in place of a database


async def on_reports(reports: list[Report]) -> None:
    """Store the reports of a push; the push is confirmed when this function has returned."""
    REPORTS.extend(reports)


receiver = PushReceiver(ACCOUNT, on_reports, deduplicate=RecentReports())


async def pieces(request: HttpRequest) -> AsyncIterator[bytes]:
    """Read a body in pieces: ``request.body`` has Django's own limit of 2.5 MB."""
    while piece := request.read(65536):
        yield piece


@csrf_exempt
async def emay(request: HttpRequest) -> HttpResponse:
    """Receive a push."""
    client = request.META.get("REMOTE_ADDR")
    answer = await receiver.handle(
        request.method or "", request.path, request.headers, pieces(request), client
    )
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


urlpatterns = [path("emay/", emay)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY=os.urandom(32).hex())
application = get_asgi_application()
