// The search line: words that must all match, as docs/TRIAGE.md describes them. The server applies the same to a snapshot; here
// it decides which rows of a batch the list is about to show.

const FIELDS = {
  team: (row) => [row.team],
  rule: (row) => [row.rule],
  entity: (row) => [row.entity],
  severity: (row) => [row.severity ?? ""],
  source: (row) => [row.source ?? ""],
  band: (row) => [row.band ?? "unscored"],
  state: (row) => [row.state ?? "open"],
  evidence: (row) => [row.evidence ?? "none"],
  flag: (row) => row.flags ?? [],
};
const WORD = /(-?)(?:([a-z]+):)?((?:"[^"]*"?|[^\s"])+)/gi;

/** The words of a search line: `{negative, field, values}`, with no field for a plain word. */
export function parse(line) {
  return [...line.matchAll(WORD)].map(([whole, minus, name, rest]) => {
    const field = name && Object.hasOwn(FIELDS, name.toLowerCase()) ? name.toLowerCase() : null;
    const text = field ? rest : whole.slice(minus.length);
    return { negative: minus === "-", field, values: field ? split(text) : [text.replaceAll('"', "").toLowerCase()] };
  });
}

function split(text) {
  const values = [...text.matchAll(/(?:"[^"]*"?|[^,"])+/g)];
  return values.map(([value]) => value.replaceAll('"', "").trim().toLowerCase());
}

/** The function that decides whether a row matches a search line. */
export function matcher(line) {
  const words = parse(line);
  const anyState = words.some((word) => word.field === "state");
  return (row) => (anyState || (row.state ?? "open") === "open") && words.every((word) => one(word, row));
}

function one({ negative, field, values }, row) {
  if (field === "state" && values.includes("any")) return true;
  return negative !== (field ? hasValue(field, values, row) : hasText(values[0], row));
}

function hasValue(field, values, row) {
  return FIELDS[field](row).some((value) => values.includes(value.toLowerCase()));
}

function hasText(text, row) {
  return [row.title, row.rule, row.entity, row.team, row.severity ?? ""].some((each) => each.toLowerCase().includes(text));
}
