// The list's state in the address: `?q=&sort=&view=&alert=`, so that a link shows what its sender saw and "back" works.

/** The state that an address holds. */
export function read(search) {
  const given = new URLSearchParams(search);
  return {
    q: given.get("q") ?? "",
    sort: given.get("sort") === "probability" ? "probability" : "time",
    view: given.get("view") ?? "",
    alert: given.get("alert") ?? "",
  };
}

/** The address of a state; what is as usual is left out. */
export function write({ q, sort, view, alert }) {
  const given = new URLSearchParams();
  if (view) given.set("view", view);
  if (q && !view) given.set("q", q);
  if (sort === "probability" && !view) given.set("sort", sort);
  if (alert) given.set("alert", alert);
  const text = given.toString();
  return text ? `/?${text}` : "/";
}

/** The address of an alert's page. */
export function alertPath(row) {
  return `/alerts/${encodeURIComponent(row.team)}/${encodeURIComponent(row.alert_id)}`;
}

/** The name of an alert in `?alert=`; a slash within a team or id is percent-encoded. */
export function alertName(row) {
  return `${encodeURIComponent(row.team)}/${encodeURIComponent(row.alert_id)}`;
}

/** Team and id of such a name; null where it is none. */
export function alertOf(name) {
  const slash = name.indexOf("/");
  if (slash < 1) return null;
  try {
    return { team: decodeURIComponent(name.slice(0, slash)), alert_id: decodeURIComponent(name.slice(slash + 1)) };
  } catch {
    return null;
  }
}
