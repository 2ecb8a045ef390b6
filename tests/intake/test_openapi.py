"""The OpenAPI document against the routes and against what is answered."""

import asyncio

import jsonschema

from stream.intake.routes import ROUTES
from tests.intake.bodies import alert, group
from tests.intake.rig import rig


def test_the_document_has_every_route_and_no_other() -> None:
    """Paths and methods are those that the application serves; mappings are listed by name."""

    async def test() -> None:
        async with rig() as intake:
            document = (await intake.client.get("/openapi.json")).json()
            served = {route.path: set(route.methods) - {"HEAD"} for route in intake.app.routes}
            assert served.pop("/openapi.json") == {"GET"}
            assert {
                path: {one.upper() for one in item if one != "parameters"} for path, item in document["paths"].items()
            } == served
            assert set(served) == {route.path for route in ROUTES}
            (name,) = document["paths"]["/v1/map/{name}"]["parameters"]
            assert "zabbix" in name["schema"]["enum"]

    asyncio.run(test())


def test_answers_are_as_the_document_says() -> None:
    """Each status is documented, and its body is of its schema."""

    async def test() -> None:
        async with rig() as intake:
            document = (await intake.client.get("/openapi.json")).json()
            bad = {**alert(), "startsAt": "2099-01-01T00:00:00Z"}
            for body in (group(alert(), bad), group(alert()), {"odd": 1}, b"nonsense"):
                answer = await intake.post("alertmanager", body)
                documented = document["paths"]["/v1/alertmanager"]["post"]["responses"][str(answer.status_code)]
                schema = {**documented["content"]["application/json"]["schema"], "components": document["components"]}
                jsonschema.validate(answer.json(), schema)

    asyncio.run(test())
