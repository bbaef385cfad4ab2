"""The endpoints of faults.py."""

import asyncio
from http import HTTPStatus

import faults
from handlers import Handler, RefusalError
from tornado.web import HTTPError


class FaultHandler(Handler):
    async def get(self, name: str) -> None:
        if not faults.allowed(name, self.request.headers.get("X-Fault-Secret")):
            raise HTTPError(HTTPStatus.NOT_FOUND)
        try:
            asked = faults.read(name, self.text_parameter)
        except ValueError as error:
            raise RefusalError(HTTPStatus.BAD_REQUEST, str(error)) from None
        await asyncio.sleep(asked.after_s)
        pool = faults.executor(asked.where)
        if pool is None:
            self.finish_json(faults.commit(asked))
        else:
            self.finish_json(await asyncio.get_running_loop().run_in_executor(pool, faults.commit, asked))

    async def post(self, name: str) -> None:
        await self.get(name)

    def text_parameter(self, name: str) -> str | None:
        raw = self.raw_parameter(name)
        return None if raw is None else raw.decode("latin-1")


routes = [("/fault/([a-z]+)", FaultHandler)]
