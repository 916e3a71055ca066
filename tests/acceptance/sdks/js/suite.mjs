// What Dapr's JavaScript SDK asks of the API, by HTTP and by gRPC, and what its server takes from it.
// `GET /result` tells what failed, once all is done.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import { CommunicationProtocolEnum, DaprClient, DaprServer, HttpMethod, StateConcurrencyEnum } from "@dapr/dapr";

const { DAPR_GRPC_PORT, DAPR_HTTP_PORT, PORT } = process.env;
const PATIENCE_MS = 20_000;
const STORE = "books";
const host = "127.0.0.1";

const delivered = [];
const inBulk = [];
const result = { done: false, passed: [], failed: {} };

async function eventually(what, holds) {
  const until = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    assert(Date.now() < until, `not in time: ${what}`);
    await pause(20);
  }
}

// By HTTP the SDK answers with what went wrong, by gRPC it throws it.
const error = (call) => call().then((answer) => answer.error, (thrown) => thrown);

const CHECKS = {
  async state(dapr, by) {
    const key = `${by}-k`;
    const value = by === "grpc" ? "v1" : { n: 1 };
    assert.equal((await dapr.state.save(STORE, [{ key, value }])).error, undefined);
    assert.deepEqual(await dapr.state.get(STORE, key), value);
    assert.ok(!(await dapr.state.get(STORE, `${by}-absent`)));
    const stale = { key, value, etag: "9999", options: { concurrency: StateConcurrencyEnum.CONCURRENCY_FIRST_WRITE } };
    assert.ok(await error(() => dapr.state.save(STORE, [stale])), "an old etag is refused");
    const [item] = await dapr.state.getBulk(STORE, [key]);
    assert.ok(item.etag, "a bulk read has etags");
    assert.equal((await dapr.state.delete(STORE, key, { etag: item.etag })).error, undefined);
    assert.ok(!(await dapr.state.get(STORE, key)));
  },

  async transactions(dapr, by) {
    const [one, two] = [`${by}-t1`, `${by}-t2`];
    await dapr.state.transaction(STORE, [
      { operation: "upsert", request: { key: one, value: "1" } },
      { operation: "delete", request: { key: one } },
      { operation: "upsert", request: { key: two, value: "2" } },
    ]);
    assert.ok(!(await dapr.state.get(STORE, one)));
    assert.equal(String(await dapr.state.get(STORE, two)), "2");
  },

  async messages(dapr, by) {
    const sent = { by, n: 12.5 };
    assert.equal((await dapr.pubsub.publish("events", "routed", sent)).error, undefined);
    await eventually("the message is delivered", () => delivered.some((data) => data.by === by));
    assert.deepEqual(delivered.find((data) => data.by === by), sent);
  },

  async messagesInBulk(dapr, by) {
    const many = [1, 2, 3].map((n) => ({ entryID: `${by}-${n}`, event: { by, n }, contentType: "application/json" }));
    assert.deepEqual((await dapr.pubsub.publishBulk("events", "bulk", many)).failedMessages, []);
    const mine = () => inBulk.filter((data) => data.by === by).map((data) => data.n).sort();
    await eventually("all are delivered", () => mine().length >= 3);
    assert.deepEqual(mine(), [1, 2, 3]);
  },

  async locks(dapr, by) {
    const lock = (owner) => dapr.lock.lock("locks", `${by}-lock`, owner, 30);
    assert.equal((await lock("me")).success, true);
    assert.equal((await lock("you")).success, false);
    assert.equal((await dapr.lock.unlock("locks", `${by}-lock`, "you")).status, 2);
    assert.equal((await dapr.lock.unlock("locks", `${by}-lock`, "me")).status, 0);
  },

  async calls(dapr) {
    const answer = await dapr.invoker.invoke("other", "echo", HttpMethod.POST, { hello: "world" });
    assert.deepEqual([answer.path, answer.caller, JSON.parse(answer.body)], ["/echo", "suite", { hello: "world" }]);
  },

  async metadataAndHealth(dapr, by) {
    assert.equal(await dapr.metadata.set(`team-${by}`, "blue"), true);
    assert.equal((await dapr.metadata.get()).id, "suite");
    if (by === "http") assert.equal(await dapr.health.isHealthy(), true);
  },

  async secrets(dapr) {
    assert.deepEqual(await dapr.secret.get("vault", "SECRET"), { SECRET: "open sesame" });
    const all = await dapr.secret.getBulk("vault");
    assert.deepEqual(all.SECRET, { SECRET: "open sesame" });
  },

  async configuration(dapr, by) {
    // The SDK has it by gRPC alone.
    if (by === "http") return;
    assert.equal((await dapr.configuration.get("settings", ["color"])).items.color.value, "blue");
  },
};

const clients = {
  http: new DaprClient({ daprHost: host, daprPort: DAPR_HTTP_PORT, communicationProtocol: CommunicationProtocolEnum.HTTP }),
  grpc: new DaprClient({ daprHost: host, daprPort: DAPR_GRPC_PORT, communicationProtocol: CommunicationProtocolEnum.GRPC }),
};

async function run() {
  for (const [by, dapr] of Object.entries(clients)) {
    for (const [name, check] of Object.entries(CHECKS)) {
      try {
        await check(dapr, by);
        result.passed.push(`${name} by ${by}`);
      } catch (error) {
        result.failed[`${name} by ${by}`] = String(error.stack ?? error);
      }
    }
  }
  result.done = true;
}

const server = new DaprServer({
  serverHost: host,
  serverPort: PORT,
  clientOptions: { daprHost: host, daprPort: DAPR_HTTP_PORT },
});
await server.pubsub.subscribe("events", "routed", async (data) => void delivered.push(data));
await server.pubsub.subscribeBulk("events", "bulk", async (data) => void inBulk.push(data), {
  maxMessagesCount: 10,
  maxAwaitDurationMs: 50,
});
await server.invoker.listen("healthz", async () => "well", { method: HttpMethod.GET });
await server.invoker.listen("result", async () => result, { method: HttpMethod.GET });
await server.start();
await run();
