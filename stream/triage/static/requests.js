// What the page asks of the server: rows, firings, an alert's page, and verdicts with their undo.

const ATTEMPTS = [0, 500, 1_500, 4_000]; // milliseconds before each; a repeated id counts once

/** An answer with a status other than 200. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** A RowPage. Without a snapshot's name the server takes a new one. */
export function rows({ q, sort, view }, { snapshot = "", offset = 0, limit = 100 } = {}) {
  const given = new URLSearchParams({ offset, limit });
  for (const [name, value] of Object.entries({ q, sort, view, snapshot })) if (value) given.set(name, value);
  return json(`/api/rows?${given}`);
}

/** The firings of an episode, newest first. */
export function firings(key) {
  return json(`/api/firings?${new URLSearchParams({ key })}`);
}

/** An alert's page as an element. XMLHttpRequest parses it without running scripts, as Trusted Types ask for. */
export function alertPage({ team, alert_id }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("GET", `/api/alert?${new URLSearchParams({ team, alert_id })}`);
    request.responseType = "document";
    request.onerror = () => reject(new Refused(0, "The server is away."));
    request.onload = () => {
      if (request.status !== 200) reject(new Refused(request.status, "The page has no more about this alert."));
      else resolve([...document.adoptNode(request.responseXML.body).childNodes]);
    };
    request.send();
  });
}

/** A name for a request; browsers give crypto.randomUUID to secure pages only. */
export function newId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Post a body and give the Answer; repeated while the server is away. */
export async function post(path, body) {
  for (const [attempt, wait] of ATTEMPTS.entries()) {
    await new Promise((resume) => setTimeout(resume, wait));
    try {
      return await json(path, { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } });
    } catch (error) {
      const again = error.status === 0 || error.status === 503;
      if (!again || attempt === ATTEMPTS.length - 1) throw error;
    }
  }
  return null;
}

/** Publish verdicts now, from a page that is closing. */
export function publish(ids) {
  const body = JSON.stringify({ ids });
  fetch("/v1/publish", { method: "POST", body, keepalive: true, headers: { "Content-Type": "application/json" } }).catch(() => {});
}

async function json(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch {
    throw new Refused(0, "The server is away.");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, body.error || `The server answers ${response.status}.`);
  return body;
}
