// The list as data (stream/triage/static/board.js): what moves, what waits, what is chosen.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Board, scrollTo, visible } from "../../../stream/triage/static/board.js";

const all = () => true;
const row = (key, more = {}) => ({ key, team: "web", rule: "r", entity: "e", alert_id: key, title: key, raised_at: 10, latest_at: 10, words: "", ...more });
const pageOf = (keys, more = {}) => ({ seq: 1, snapshot: "s1", total: keys.length, offset: 0, rows: keys.map((key) => row(key)), counts: {}, ...more });
const batch = (seq, upsert, gone = []) => ({ seq, upsert, gone, counts: {} });
const made = (keys, more) => new Board(pageOf(keys, more));

test("new rows wait until they are taken, and are counted with those likely actionable", () => {
  const board = made(["a", "b"]);
  board.apply(batch(2, [row("c", { band: "likely_actionable" }), row("d")]), all);
  assert.deepEqual(board.order, ["a", "b"]);
  assert.deepEqual(board.news(), { count: 2, likely: 1 });
});

test("a new row that the filter does not take, or no longer takes, is not counted", () => {
  const board = made(["a"]);
  const open = (each) => each.state !== "decided";
  board.apply(batch(2, [row("c"), row("d", { state: "decided" })]), open);
  assert.equal(board.news().count, 1);
  board.apply(batch(3, [row("c", { state: "decided" })]), open);
  assert.equal(board.news().count, 0);
});

test("a known row changes in place, also where the filter would not take it any more", () => {
  const board = made(["a", "b"]);
  board.apply(batch(2, [row("b", { state: "ended" })]), () => false);
  assert.deepEqual(board.order, ["a", "b"]);
  assert.equal(board.shown("b").state, "ended");
});

test("a row that the server forgot stays where it is, as ended", () => {
  const board = made(["a", "b"]);
  board.apply(batch(2, [], ["a", "unknown"]), all);
  assert.equal(board.shown("a").state, "ended");
  assert.equal(board.order.length, 2);
});

for (const [hand, put, off] of [
  ["selected", (board) => board.toggle("a"), (board) => board.toggle("a")],
  ["opened", (board) => { board.opened = "a"; }, (board) => { board.opened = null; }],
  ["hovered", (board) => { board.hovered = "a"; }, (board) => { board.hovered = null; }],
  ["focused", (board) => { board.focused = true; }, (board) => { board.focused = false; }],
]) {
  test(`a row that is ${hand} does not change until the hand is off it`, () => {
    const board = made(["a", "b"]);
    put(board);
    board.apply(batch(2, [row("a", { title: "new" }), row("b", { title: "new" })]), all);
    assert.equal(board.shown("a").title, "a");
    assert.equal(board.shown("b").title, "new");
    assert.ok(board.held.has("a"));
    assert.equal(board.release(), false);
    off(board);
    assert.equal(board.release(), true);
    assert.equal(board.shown("a").title, "new");
  });
}

test("an update back to what is shown is no change", () => {
  const board = made(["a"]);
  board.hovered = "a";
  board.apply(batch(2, [row("a", { title: "new" })]), all);
  board.apply(batch(3, [row("a")]), all);
  assert.equal(board.held.size, 0);
});

test("an answer to one's own request changes a row under the hand", () => {
  const board = made(["a"]);
  board.toggle("a");
  board.answer([row("a", { state: "decided" }), row("unknown")]);
  assert.equal(board.shown("a").state, "decided");
  assert.equal(board.rows.has("unknown"), false);
});

test("a verdict is shown before the server knows of it, and the server's word replaces it", () => {
  const board = made(["a"]);
  board.mark(["a"], { id: "v1", action: "acted" });
  assert.equal(board.shown("a").state, "decided");
  board.apply(batch(2, [row("a", { title: "unrelated" })]), all);
  assert.equal(board.shown("a").mark.id, "v1");
  board.apply(batch(3, [row("a", { state: "decided", mark: { id: "v1", action: "acted", words: "2 of 43 now" } })]), all);
  assert.equal(board.shown("a").mark.words, "2 of 43 now");
  assert.equal(board.marks.size, 0);
});

test("a verdict over several rows leaves those alone that have one, and its own word is shown under the hand", () => {
  const board = made(["a", "b"]);
  board.answer([row("a", { mark: { id: "other", action: "dismissed" } })]);
  board.mark(["a", "b"], { id: "v1", action: "acted" });
  assert.equal(board.shown("a").mark.id, "other");
  board.hovered = "b";
  board.apply(batch(2, [row("b", { mark: { id: "v1", action: "acted", words: "now" } })]), all);
  assert.equal(board.shown("b").mark.words, "now");
});

test("an undone verdict leaves the row as it was", () => {
  const board = made(["a", "b"]);
  board.mark(["a", "b"], { id: "v1", action: "acted" });
  board.mark(["b"], { id: "v2", action: "snoozed" });
  board.unmark("v1");
  assert.equal(board.shown("a").state, undefined);
  assert.equal(board.shown("b").state, "snoozed");
});

test("taking a new order keeps cursor, selection and what is opened, and forgets other rows", () => {
  const board = made(["a", "b", "c", "d"]);
  board.cursor = "b";
  board.toggle("c");
  board.opened = "d";
  board.apply(batch(2, [row("n")]), all);
  board.take(pageOf(["n", "b"], { seq: 2, snapshot: "s2" }));
  assert.deepEqual(board.order, ["n", "b"]);
  assert.equal(board.cursor, "b");
  assert.deepEqual([...board.rows.keys()].sort(), ["b", "c", "d", "n"]);
  assert.equal(board.news().count, 0);
});

test("a cursor whose row is gone goes to the first row", () => {
  const board = made(["a", "b"]);
  board.cursor = "b";
  board.take(pageOf(["x", "y"]));
  assert.equal(board.cursor, "x");
});

test("rows that are not here are asked for, in one range, and put in their places", () => {
  const board = made(["a", "b"], { total: 6 });
  assert.deepEqual(board.missing(0, 6), { offset: 2, limit: 4 });
  board.fill(pageOf(["c", "d"], { offset: 2, total: 6 }), 2);
  assert.deepEqual(board.missing(0, 6), { offset: 4, limit: 2 });
  assert.equal(board.missing(0, 4), null);
  board.fill(pageOf(["e", "f"], { offset: 4, total: 6 }), 2);
  assert.deepEqual(board.order, ["a", "b", "c", "d", "e", "f"]);
  assert.ok(board.complete);
});

test("places of rows that the server forgot are empty, asked for once, and skipped by the cursor", () => {
  const board = made(["a", "b"], { total: 5 });
  board.fill(pageOf(["b", "d"], { offset: 2, total: 5 }), 3);
  assert.deepEqual([...board.order], ["a", "b", "d", null, null]);
  assert.equal(board.missing(0, 5), null);
  board.cursor = "d";
  board.move(1);
  assert.equal(board.cursor, "d");
});

test("while rows are missing, an update of one that is not here is not taken for a new one", () => {
  const board = made(["a"], { total: 3 });
  board.apply(batch(2, [row("far", { since: 1, raised_at: 11 }), row("new", { since: 2 })]), all);
  assert.deepEqual([...board.pending.keys()], ["new"]);
});

test("while rows are missing, one that comes late or is back from a snooze is new, however old it is", () => {
  const board = made(["a"], { total: 3 });
  board.apply(batch(2, [row("snoozed", { state: "snoozed", since: 1 })]), (each) => each.state !== "snoozed");
  board.apply(batch(3, [row("snoozed", { since: 3, raised_at: 5 }), row("late", { since: 3, raised_at: 4 })]), all);
  assert.deepEqual([...board.pending.keys()], ["snoozed", "late"]);
  board.take(pageOf(["a", "b"], { seq: 3, total: 4 }));
  board.apply(batch(4, [row("late", { since: 3, title: "changed" })]), all);
  assert.equal(board.news().count, 0);
});

test("after batches were lost, rows are new by their time as well", () => {
  const board = made(["a"], { total: 3 });
  board.recover(8);
  board.apply(batch(8, [row("far", { since: 7, raised_at: 5 }), row("new", { since: 7, raised_at: 11 })]), all);
  assert.deepEqual([...board.pending.keys()], ["new"]);
});

test("a part of a snapshot does not set a row back that a batch brought", () => {
  const board = made(["a"], { total: 2 });
  board.apply(batch(5, [row("a", { title: "new" })]), all);
  board.fill(pageOf(["a", "b"], { seq: 4, total: 2 }), 2);
  assert.equal(board.shown("a").title, "new");
});

test("the cursor stops at both ends", () => {
  const board = made(["a", "b"]);
  assert.equal(board.move(-1), 0);
  board.move(1);
  assert.equal(board.move(1), 1);
  assert.equal(board.cursor, "b");
  assert.equal(new Board(pageOf([])).move(1), -1);
});

test("after a verdict the cursor goes on to the next row that waits for one", () => {
  const board = made(["a", "b", "c"]);
  board.mark(["a", "b"], { id: "v1", action: "acted" });
  assert.equal(board.goOn(), 2);
  assert.equal(board.cursor, "c");
  assert.equal(board.goOn(), 2);
});

test("a selection survives new rows and new orders, and names its keys", () => {
  const board = made(["a", "b", "c"]);
  board.toggle("b");
  board.extend("c");
  board.apply(batch(2, [row("n"), row("b", { state: "ended" })]), all);
  board.take(pageOf(["n", "a", "b", "c"]));
  assert.deepEqual(board.choice(), { keys: ["b", "c"] });
  assert.equal(board.chosen, 2);
});

test("a range is selected upwards, too, from where the selection began", () => {
  const board = made(["a", "b", "c", "d"]);
  board.toggle("c");
  board.extend("a");
  assert.deepEqual([...board.selected].sort(), ["a", "b", "c"]);
});

test("all that match are one choice by the snapshot's name, also those that are not here", () => {
  const board = made(["a", "b"], { total: 1_200 });
  board.selectAll();
  assert.equal(board.chosen, 1_200);
  assert.deepEqual(board.choice(), { snapshot: "s1" });
  assert.deepEqual(board.keysOf(board.choice()), ["a", "b"]);
  board.toggle("a");
  assert.deepEqual(board.choice(), { keys: ["b"] });
});

test("without a selection a verdict is about the cursor's row", () => {
  const board = made(["a"]);
  assert.deepEqual(board.choice(), { keys: ["a"] });
  assert.deepEqual(new Board(pageOf([])).choice(), { keys: [] });
});

test("at most 200 rows are drawn, and those in view are among them", () => {
  for (const top of [0, 5_000, 519_000, 10_000_000]) {
    const { from, to } = visible({ top, height: 20_000, rowHeight: 52, total: 10_000 });
    assert.ok(to - from <= 200 && from >= 0 && to <= 10_000 && from < to);
  }
  assert.deepEqual(visible({ top: 0, height: 520, rowHeight: 52, total: 0 }), { from: 0, to: 0 });
});

test("a row is scrolled to only where it is out of sight", () => {
  const at = { top: 520, height: 520, rowHeight: 52 };
  assert.equal(scrollTo(12, at), 520);
  assert.equal(scrollTo(3, at), 156);
  assert.equal(scrollTo(30, at), 1_092);
});
