// Where the person is: the list's filter and the opened alert, both in the address, so that "back" works.

import { alertName, alertOf, read, write } from "./address.js";
import { draw } from "./drawing.js";
import * as requests from "./requests.js";
import { take } from "./rows.js";
import { matcher } from "./search.js";
import { board, named, place, state } from "./state.js";

/** Show another list. What is typed letter by letter is one step back. */
export function show(next, { push = true, typing = false } = {}) {
  const changed = next.q !== state.query.q || next.sort !== state.query.sort || next.view !== state.query.view;
  state.query = next;
  if (push) history[typing && history.state?.typing ? "replaceState" : "pushState"]({ typing }, "", write(state.query));
  if (!changed) return draw();
  state.matches = matcher(state.query.q);
  place("q").value = state.query.q;
  board.clearSelection();
  board.cursor = null;
  return take({ top: true });
}

export function goBack() {
  const given = read(location.search);
  show({ ...given, ...named(given.view) }, { push: false });
  if (given.alert !== state.detail) openNamed(given.alert);
}

export function openNamed(name) {
  const alert = alertOf(name);
  if (!alert) return hidePane();
  const row = [...board.rows.values()].find((each) => each.team === alert.team && each.alert_id === alert.alert_id);
  board.opened = row?.key ?? null;
  if (row && board.index.has(row.key)) board.cursor = row.key;
  return showDetail(name, alert);
}

export function open(key, { replace = false } = {}) {
  const row = board.rows.get(key);
  if (!row) return;
  const name = alertName(row);
  board.opened = key;
  if (name !== state.detail) {
    state.query = { ...state.query, alert: name };
    if (replace || history.state?.opened) history.replaceState(history.state, "", write(state.query));
    else history.pushState({ opened: true }, "", write(state.query));
    showDetail(name, row);
  }
  draw();
}

async function showDetail(name, alert) {
  state.detail = name;
  const body = place("pane-body");
  body.setAttribute("aria-busy", "true");
  draw();
  let content;
  try {
    content = await requests.alertPage(alert);
  } catch (error) {
    content = [error.message];
  }
  if (state.detail !== name) return;
  body.replaceChildren(...content);
  board.opened ??= body.querySelector("article[data-key]")?.dataset.key ?? null;
  body.removeAttribute("aria-busy");
  draw();
}

function hidePane() {
  board.opened = null;
  state.detail = "";
  state.query = { ...state.query, alert: "" };
  place("pane-body").replaceChildren();
  draw();
}

export function close() {
  if (history.state?.opened) return history.back();
  hidePane();
  history.pushState({}, "", write(state.query));
  return undefined;
}

