"""A WebSocket server that says what it hears: websocket_echo.py PORT"""

import asyncio
import logging
import sys

from websockets.asyncio.server import serve


async def echo(connection):
    async for message in connection:
        await connection.send(message)


async def main(port):
    async with serve(echo, "127.0.0.1", port, max_size=None, ping_interval=None) as server:
        await server.serve_forever()


# The suite breaks the protocol on purpose, hundreds of times.
logging.getLogger("websockets").setLevel(logging.CRITICAL)
asyncio.run(main(int(sys.argv[1])))
