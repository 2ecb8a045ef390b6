// What the modules of the list share: the page's data, the board, the feed, the verdicts, and what the person switched.

import { Board } from "./board.js";
import { Feed } from "./feed.js";
import { newId, post } from "./requests.js";
import { matcher } from "./search.js";
import { Verdicts } from "./verdicts.js";

/** A PageState of stream/triage/view.py. */
export const page = JSON.parse(document.getElementById("state").textContent);
export const place = (id) => document.getElementById(id);
export const scroller = place("scroller");
export const rowsAt = place("rows");
export const writes = page.role === "responder";

const [visit] = performance.getEntriesByType("navigation");
const offset = page.now - (performance.timeOrigin + (visit?.responseStart ?? performance.now())) / 1000;
/** Seconds since 1970 by the server's clock. */
export const now = () => Date.now() / 1000 + offset;

export const board = new Board(page.first);
export const feed = new Feed(page.first.seq);
export const verdicts = new Verdicts(board, {
  send: post, newId, now, person: page.pseudonym || page.person, undoSeconds: page.undo_seconds,
});

/** What a named view looks for, or nothing where there is none of this name. */
export function named(name) {
  const view = page.views.find((each) => each.name === name);
  return view ? { q: view.q, sort: view.sort, view: name } : {};
}

const query = page.query.q ? page.query : { ...page.query, ...named(page.query.view) };

export const state = {
  query, // what the address says
  matches: matcher(query.q),
  utc: localStorage.getItem("utc") === "true",
  letters: localStorage.getItem("letters") !== "false", // whether letters are keys
  rowHeight: 52, // pixels
  stale: false, // whether the server forgot the snapshot
  loading: false, // whether rows are on their way
  recent: [], // the last batches: a snapshot may be older than they are
  expanded: null, // {key, firings} of the one episode that shows its firings
  detail: "", // the name of the opened alert
  noticeEnds: 0,
  refocus: false, // whether the next drawing puts the focus on the cursor's row
  needs: () => {}, // called with the places that are drawn, so that rows that are missing come
};
