// What keys and buttons do.

import { alertPath, write } from "./address.js";
import { ask, tell } from "./dialog.js";
import { draw, scrollToRow, tellNotice } from "./drawing.js";
import { close, open } from "./navigation.js";
import * as panels from "./panels.js";
import * as requests from "./requests.js";
import { take } from "./rows.js";
import { board, feed, now, page, place, state, verdicts, writes } from "./state.js";
import { clock } from "./times.js";

function move(by) {
  const at = board.move(by);
  if (at >= 0) reach(at);
}

function reach(at) {
  scrollToRow(at);
  state.refocus = true;
  if (state.detail && board.order[at] && board.order[at] !== board.opened) open(board.order[at], { replace: true });
  draw();
}

function selectBy(by) {
  if (!board.selected.size && board.cursor !== null) board.toggle(board.cursor);
  move(by);
  if (board.cursor !== null) board.extend(board.cursor);
}

async function verdict(action, withReason = false) {
  if (!writes || board.chosen === 0) return;
  const choice = board.choice();
  const { everything } = board;
  const several = everything || board.selected.size > 0;
  let reason = null;
  if (withReason || page.reason_required) {
    reason = await ask(`${action === "acted" ? "Acted: what was it?" : "Dismiss: why?"}`, page.reasons.map((each) => [each, each]), "Another reason");
    if (!reason) return;
  }
  const done = verdicts.give(action, choice, reason);
  settle(done, several);
}

async function snooze() {
  if (!writes || board.chosen === 0) return;
  const choice = board.choice();
  const several = board.everything || board.selected.size > 0;
  const until = await ask("Snooze", [
    ["hour", "For 1 hour"],
    ["shift", `To the end of the shift, ${clock(page.shift_ends_at, now(), state.utc)}`],
    ["escalates", "Until it escalates"],
  ]);
  if (!until) return;
  const ends = { hour: now() + 3_600, shift: page.shift_ends_at }[until] ?? null;
  settle(verdicts.snooze(until, ends, choice), several);
}

function settle(done, several) {
  document.querySelector(".hints")?.remove();
  if (several) board.clearSelection();
  else if (board.index.has(board.target)) reach(board.goOn());
  tellNotice();
  done.then(() => tellNotice());
}

async function undo() {
  const entry = verdicts.undo();
  tellNotice();
  const undone = await entry;
  if (undone?.keys.length === 1 && board.index.has(undone.keys[0])) {
    [board.cursor] = undone.keys;
    reach(board.index.get(board.cursor));
  }
  tellNotice();
}

export async function expand(wanted) {
  const key = board.cursor;
  const row = board.rows.get(key);
  if (!wanted || state.expanded?.key === key || !(row?.firings > 1)) {
    state.expanded = null;
    return draw();
  }
  try {
    state.expanded = { key, firings: await requests.firings(key) };
  } catch (error) {
    verdicts.notice = { kind: "error", text: error.message };
    return tellNotice();
  }
  return draw();
}

/** The commands by name: of keys.js, and of buttons. */
export const commands = {
  next: () => move(1),
  previous: () => move(-1),
  open: () => (board.cursor === null ? false : open(board.cursor)),
  leave() {
    if (document.activeElement === place("q")) return focusList();
    if (board.selected.size) board.clearSelection();
    else if (state.detail) close();
    return draw();
  },
  expand: () => expand(true),
  collapse: () => expand(false),
  acted: () => verdict("acted"),
  dismissed: () => verdict("dismissed"),
  actedWhy: () => verdict("acted", true),
  dismissedWhy: () => verdict("dismissed", true),
  snooze,
  undo,
  select() {
    if (writes && board.cursor !== null) board.toggle(board.cursor);
    draw();
  },
  selectTo() {
    if (writes && board.cursor !== null) board.extend(board.cursor);
    draw();
  },
  selectDown: () => writes && selectBy(1),
  selectUp: () => writes && selectBy(-1),
  selectAll() {
    board.selectAll();
    draw();
  },
  take: () => take(),
  search: () => place("q").select(),
  pause() {
    if (feed.paused) feed.resume();
    else feed.pause();
    place("pause").setAttribute("aria-pressed", feed.paused);
    place("pause").textContent = feed.paused ? "Go on" : "Pause";
  },
  copy: () => copyLink(),
  help: () => tell(panels.help(writes)),
  letters() {
    state.letters = !state.letters;
    localStorage.setItem("letters", state.letters);
    draw();
  },
  zone() {
    state.utc = !state.utc;
    localStorage.setItem("utc", state.utc);
    place("zone").textContent = state.utc ? "UTC" : "Local";
    draw();
  },
  refresh() {
    const row = board.held.get(board.opened);
    if (row) board.answer([row]);
    draw();
  },
};

export function focusList() {
  state.refocus = true;
  draw();
}

async function copyLink() {
  const row = board.rows.get(board.cursor);
  const path = row && !state.detail ? alertPath(row) : write(state.query);
  try {
    await navigator.clipboard.writeText(new URL(path, location.href).href);
    verdicts.notice = { kind: "copied", text: "The link is copied." };
  } catch {
    verdicts.notice = { kind: "error", text: "The browser does not let this page copy." };
  }
  tellNotice();
}
