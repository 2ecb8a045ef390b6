// The list's rows from the server: snapshots, their missing parts, and batches.

import { draw, drawNow, tellNotice } from "./drawing.js";
import * as requests from "./requests.js";
import { board, feed, rowsAt, scroller, state, verdicts } from "./state.js";

const WHOLE = 1_000; // a snapshot of so many rows is fetched whole, in the background
const RECENT = 100; // batches: a snapshot may be older than they are
let taking = 0;

export async function load(from, to) {
  const gap = board.missing(from, to + 8);
  if (!gap || state.loading || state.stale) return;
  const { snapshot } = board;
  state.loading = true;
  try {
    const part = await requests.rows(state.query, { snapshot, ...gap });
    if (board.snapshot === snapshot) board.fill(part, gap.limit);
  } catch (error) {
    state.stale = error.status === 410;
    if (!state.stale) await new Promise((resume) => setTimeout(resume, 1_000));
  } finally {
    state.loading = false;
    draw();
  }
}

export function loadWhole() {
  if (board.complete || board.total > WHOLE || state.stale) return;
  load(0, board.total).then(() => setTimeout(loadWhole, 100));
}

/** Take a new snapshot: of the same list (`.`) or of another. */
export async function take({ top = scroller.scrollTop < state.rowHeight } = {}) {
  const before = board.index.get(board.cursor) * state.rowHeight - scroller.scrollTop;
  const mine = (taking += 1);
  let first;
  try {
    first = await requests.rows(state.query);
  } catch (error) {
    verdicts.notice = { kind: "error", text: error.message };
    tellNotice();
    return;
  }
  if (mine !== taking) return; // the person asked for another list meanwhile
  state.stale = false;
  state.expanded = null;
  state.refocus ||= rowsAt.contains(document.activeElement);
  board.take(first);
  for (const batch of state.recent) if (batch.seq > first.seq) board.apply(batch, state.matches);
  document.querySelector(".hints")?.remove();
  drawNow();
  const at = board.index.get(board.cursor);
  scroller.scrollTop = top || at === undefined ? 0 : at * state.rowHeight - before;
  draw();
  setTimeout(loadWhole, 500);
}

export function arrived(batch) {
  state.recent = [...state.recent.slice(-RECENT), batch];
  board.apply(batch, state.matches);
  draw();
}

/** The server lost what came in between: rows that are here change in place, others wait as new ones. */
export async function mend() {
  try {
    const latest = await requests.rows(state.query, { limit: 200 });
    board.recover(feed.seq);
    arrived({ seq: feed.seq, upsert: latest.rows, gone: [], counts: latest.counts });
  } catch {
    setTimeout(mend, 2_000);
  }
}

