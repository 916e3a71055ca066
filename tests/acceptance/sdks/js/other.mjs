// An app that is called.

import { createServer } from "node:http";

createServer(async (request, response) => {
  let body = "";
  for await (const part of request) body += part;
  if (!["/echo", "/healthz"].includes(request.url)) response.statusCode = 404;
  const answer = { path: request.url, body, caller: request.headers["dapr-caller-app-id"] };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(answer));
}).listen(Number(process.env.PORT), "127.0.0.1");
