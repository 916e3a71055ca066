// What stands behind the proxies in the suites: an HTTP/1.1 server that says what it saw.
import http from 'node:http'
import zlib from 'node:zlib'
import process from 'node:process'

const [port] = process.argv.slice(2).map(Number)

// The bytes of `compare/src/suites/place.rs`.
const pattern = length => Buffer.from(Uint8Array.from({ length }, (_, index) => index % 251))
const FILE = pattern(100_000)
const BIG = pattern(8 << 20)
const ETAG = '"file"'

const collect = async request => {
  let length = 0
  for await (const part of request) length += part.length
  return length
}

const seen = async (request, response) => {
  const length = await collect(request)
  const { method, url, httpVersion, headers, trailers } = request
  const text = JSON.stringify({ method, url, version: httpVersion, headers, trailers, length })
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length }).end(text)
}

const file = (request, response) => {
  const headers = { etag: ETAG, 'accept-ranges': 'bytes', 'last-modified': 'Mon, 02 Mar 2026 00:00:00 GMT' }
  if (request.headers['if-none-match'] === ETAG || request.headers['if-modified-since']) {
    return response.writeHead(304, headers).end()
  }
  const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? '')
  if (!range) {
    return response.writeHead(200, { ...headers, 'content-length': FILE.length }).end(FILE)
  }
  const [first, last] = range[1]
    ? [Number(range[1]), range[2] ? Number(range[2]) : FILE.length - 1]
    : [FILE.length - Number(range[2]), FILE.length - 1]
  const part = FILE.subarray(first, last + 1)
  headers['content-range'] = `bytes ${first}-${last}/${FILE.length}`
  response.writeHead(206, { ...headers, 'content-length': part.length }).end(part)
}

const gzip = (request, response) => {
  const headers = { vary: 'accept-encoding' }
  if (!(request.headers['accept-encoding'] ?? '').includes('gzip')) {
    return response.writeHead(200, headers).end(FILE)
  }
  response.writeHead(200, { ...headers, 'content-encoding': 'gzip' }).end(zlib.gzipSync(FILE))
}

const trailers = (_, response) => {
  response.writeHead(200, { trailer: 'x-checksum' })
  response.write('first,')
  response.addTrailers({ 'x-checksum': 'right' })
  response.end('last')
}

const hints = (_, response) => {
  response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })
  setTimeout(() => response.end('after hints'), 50)
}

const events = (request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('data: first\n\n')
  const end = setTimeout(() => response.end('data: last\n\n'), 10_000)
  request.on('close', () => clearTimeout(end))
}

// Without a length and without chunks, so that the end is the connection's.
const toTheEnd = (_, response) => {
  response.useChunkedEncodingByDefault = false
  response.shouldKeepAlive = false
  response.writeHead(200).end(FILE)
}

// Answers before it has read the body.
const refuse = (request, response) => {
  response.writeHead(413).end('too much')
  request.resume()
}

const paths = {
  '/seen': seen,
  '/echo': (request, response) => request.pipe(response.writeHead(200)),
  '/file': file,
  '/big': (_, response) => response.writeHead(200, { 'content-length': BIG.length }).end(BIG),
  '/gzip': gzip,
  '/trailers': trailers,
  '/hints': hints,
  '/events': events,
  '/to-the-end': toTheEnd,
  '/refuse': refuse,
  '/empty': (_, response) => response.writeHead(204).end(),
  '/moved': (_, response) => response.writeHead(302, { location: '/seen' }).end(),
}

const answer = (request, response) => {
  const [path] = request.url.split('?')
  const found = paths[path] ?? ((_, response) => response.writeHead(404).end())
  found(request, response)
}

const server = http.createServer({ maxHeaderSize: 64 << 10 }, answer)
server.on('checkContinue', (request, response) => {
  if (!request.url.startsWith('/refuse')) response.writeContinue()
  answer(request, response)
})
// A client that leaves is no reason to end.
process.on('uncaughtException', error => console.error(error))
server.keepAliveTimeout = 600_000
server.listen(port, '127.0.0.1')
