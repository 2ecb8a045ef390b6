// Search line, times, address and feed of the list: small pure parts of stream/triage/static.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as address from "../../../stream/triage/static/address.js";
import { Feed } from "../../../stream/triage/static/feed.js";
import { matcher } from "../../../stream/triage/static/search.js";
import { ago, clock, exact } from "../../../stream/triage/static/times.js";
import { Verdicts, sentence } from "../../../stream/triage/static/verdicts.js";
import { Board } from "../../../stream/triage/static/board.js";

const { row: DISK, cases } = JSON.parse(readFileSync(new URL("search_cases.json", import.meta.url)));

for (const { q, found } of cases) {
  test(`the search "${q}" ${found ? "finds" : "does not find"} the alert`, () => assert.equal(matcher(q)(DISK), found));
}

test("without a state only open rows match", () => {
  assert.equal(matcher("disk")({ ...DISK, state: "decided" }), false);
  assert.equal(matcher("disk state:decided")({ ...DISK, state: "decided" }), true);
});

test("times are short, never negative, and exact in either zone", () => {
  assert.deepEqual([38, 240, 7_300, 400_000, -5].map((seconds) => ago(1_000_000 - seconds, 1_000_000)), ["38 s", "4 min", "2 h", "4 d", "0 s"]);
  const noon = Date.UTC(2026, 2, 1, 12, 0, 7) / 1000;
  assert.equal(clock(noon, noon + 60, true), "12:00:07");
  assert.equal(clock(noon, noon + 86_400, true), "03-01 12:00");
  assert.equal(exact(noon, true), "2026-03-01 12:00:07 UTC");
  assert.match(exact(noon, false), /^2026-03-01 \d\d:\d\d:07 UTC[+−]\d\d:\d\d$/u);
});

test("an address gives back the state it was made of", () => {
  for (const state of [
    { q: "", sort: "time", view: "", alert: "" },
    { q: 'team:a,b -x "y z" & = ? #', sort: "probability", view: "", alert: "t%2Fx/INC 1" },
    { q: "", sort: "time", view: "likely", alert: "a/b" },
  ]) assert.deepEqual(address.read(new URL(address.write(state), "http://x").search), state);
});

test("an alert's name keeps slashes of team and id apart", () => {
  const alert = { team: "a/b", alert_id: "c/d" };
  assert.deepEqual(address.alertOf(address.alertName(alert)), alert);
  for (const broken of ["", "a", "/a", "%/a"]) assert.equal(address.alertOf(broken), null);
});

test("what comes while the feed is paused is held, collapsed by row, and given in one batch", () => {
  const feed = new Feed(1);
  const got = [];
  feed.addEventListener("batch", (event) => got.push(event.batch));
  feed.pause();
  feed.arrived({ seq: 2, upsert: [{ key: "a", title: "1" }, { key: "b" }], gone: [], counts: 1 });
  feed.arrived({ seq: 3, upsert: [{ key: "a", title: "2" }], gone: ["b"], counts: 2 });
  assert.equal(got.length, 0);
  feed.resume();
  assert.deepEqual(got, [{ seq: 3, upsert: [{ key: "a", title: "2" }], gone: ["b"], counts: 2 }]);
  feed.arrived({ seq: 4, upsert: [], gone: [], counts: 3 });
  assert.equal(got.length, 2);
});

function desk(send, time = { now: 100 }) {
  const row = (key) => ({ key, raised_at: 1, state: "open" });
  const board = new Board({ seq: 1, snapshot: "s", total: 2, offset: 0, rows: [row("a"), row("b")], counts: {} });
  let id = 0;
  return { board, time, verdicts: new Verdicts(board, { send, newId: () => `id-${(id += 1)}`, now: () => time.now, person: "me", undoSeconds: 8 }) };
}

test("a verdict that the server refuses is taken off the row, and the person learns why", async () => {
  const { board, verdicts } = desk(async () => { throw new Error("Kafka is away."); });
  const given = verdicts.give("acted", { keys: ["a"] });
  assert.equal(board.shown("a").state, "decided");
  await given;
  assert.equal(board.shown("a").state, "open");
  assert.equal(sentence(verdicts.notice), "The verdict was not saved: Kafka is away.");
  assert.deepEqual(verdicts.open(), []);
});

test("undo takes the last verdict back as a whole, once the server has it, and then the one before", async () => {
  const sent = [];
  const { board, verdicts } = desk(async (path, body) => { sent.push([path, body.id]); return { count: body.keys?.length ?? 1, rows: [] }; });
  verdicts.give("acted", { keys: ["a", "b"] });
  verdicts.snooze("hour", 200, { keys: ["b"] });
  assert.equal(board.shown("b").state, "snoozed");
  await verdicts.undo();
  assert.equal(board.shown("b").state, "open");
  await verdicts.undo();
  assert.deepEqual(sent, [["/v1/verdicts", "id-1"], ["/v1/snooze", "id-2"], ["/v1/undo", "id-2"], ["/v1/undo", "id-1"]]);
  assert.equal(await verdicts.undo(), null);
});

test("what can be undone no more is not sent again by a page that closes", async () => {
  const { time, verdicts } = desk(async () => ({ count: 1, rows: [], undo_until: 108 }));
  await verdicts.give("dismissed", { keys: ["a"] });
  assert.deepEqual(verdicts.open(), ["id-1"]);
  time.now = 108.5;
  assert.deepEqual(verdicts.open(), []);
});

test("what the server did not take of a verdict is not shown for longer than its undo", async () => {
  const { board, time, verdicts } = desk(async () => ({ count: 1, rows: [{ key: "a", state: "decided" }], missing: ["b"] }));
  await verdicts.give("acted", { keys: ["a", "b"] });
  time.now = 109;
  assert.equal(verdicts.expire(), true);
  assert.equal(board.shown("b").state, "open");
});

test("somebody else's verdict is told, and theirs is shown", async () => {
  const { board, verdicts } = desk(async () => ({ count: 0, conflicts: [{ key: "a", action: "dismissed", person: "9b97e7", at: 99 }] }));
  await verdicts.give("acted", { keys: ["a"] });
  assert.equal(sentence(verdicts.notice), "Somebody else just did: dismissed by 9b97e7");
  assert.equal(board.marks.size, 0);
});
