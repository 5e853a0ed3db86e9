"""The endpoints of TensorFlow Serving's REST interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response

from s2s_zoo.apps.serving.predict import (
    INPUTS,
    VERSION,
    is_truncated,
    metadata,
    model_name,
    parse_predict,
    predicted,
    status,
)
from s2s_zoo.apps.serving.refused import Refused

if TYPE_CHECKING:
    from s2s_zoo.apps.serving.app import Service

PATHS = ("/v1/models/{name}", "/v1/models/{name}/versions/{version}")


class PredictApi:
    """The endpoints of the model of a service.

    Args:
        service: Service, which lets requests in and answers them.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.served = service.served

    def add_to(self, app: FastAPI) -> None:
        """Adds the endpoints to an application."""
        for path in PATHS:
            app.get(path, response_model=None)(self.status)
            app.get(f"{path}/metadata", response_model=None)(self.metadata)
            app.post(f"{path}:predict")(self.predict)

    async def predict(self, request: Request) -> Response:
        """What TensorFlow Serving answers; where one source fails, all do."""

        def read(content_type, body):
            return parse_predict(self.served, body)

        self._check_model(request)
        async with self.service.admitted(request, read) as (given, sources):
            answers = await self.service.generated(request, given, sources)
            for answer in answers:
                if isinstance(answer, Refused):
                    raise answer
            content = predicted(answers, self.served, given.key)
            cut = [str(i) for i, answer in enumerate(answers) if is_truncated(answer)]
            headers = {"x-truncated": ", ".join(cut)} if cut else None
            return Response(content, media_type="application/json", headers=headers)

    async def status(self, request: Request) -> dict[str, Any]:
        """The state of the only version."""
        self._check_model(request)
        return status(self.service.warming)

    async def metadata(self, request: Request) -> dict[str, Any]:
        """The signature of the exported model."""
        self._check_model(request)
        return metadata(self.served)

    def _check_model(self, request):
        if self.served.reads not in INPUTS:
            raise Refused(
                404,
                f"This interface is for models that read {' or '.join(INPUTS)}. Received: one of "
                f"{self.served.pipeline.task}. Use /generate.",
            )
        given, name = request.path_params, model_name(self.served.name)
        if given["name"] != name or given.get("version", str(VERSION)) != str(VERSION):
            path = request.scope["path"]  # request.url needs a Host that can be read
            raise Refused(
                404, f"Expected the model {name!r}, version {VERSION}. Received: {path:.200}."
            )
