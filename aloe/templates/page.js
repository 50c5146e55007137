"use strict";
// Everything a page says arrives as data and becomes text by textContent: nothing in it is ever markup.
const byId = (id) => document.getElementById(id);
function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}
function data(id) {
  const held = byId(id);
  return held && held.type === "application/json" ? JSON.parse(held.textContent) : null;
}

// What is searched for, in small letters; wherever it is said, it is marked.
let wanted = "";
const composed = (text) => text.normalize("NFC");
// As long as the composed text, so that positions agree: İ is the only letter whose small form is longer.
const small = (text) => composed(text).replaceAll("İ", "i").toLowerCase().replaceAll("ς", "σ");
function places(text) {
  const found = [];
  if (!wanted) return found;
  const low = small(text);
  for (let at = low.indexOf(wanted); at >= 0; at = low.indexOf(wanted, at + wanted.length)) found.push(at);
  return found;
}
function say(tag, name, text) {
  const made = element(tag, name);
  let from = 0;
  const found = places(text);
  if (found.length) text = composed(text);
  for (const at of found) {
    made.append(text.slice(from, at), element("mark", "", text.slice(at, at + wanted.length)));
    from = at + wanted.length;
  }
  made.append(text.slice(from));
  return made;
}

// A mark is [kind, words, why]; each kind has a sign, and a word for those who cannot see it.
const SIGNS = {
  told: ["◆", "told"], kept: ["✓", "kept"], broken: ["✗", "not kept"], early: ["◇", "too early"], fault: ["⚠", "fault"],
};
function chips(marks) {
  const list = element("ul", "chips");
  for (const [kind, words, why] of marks) {
    const chip = element("li", kind);
    if (SIGNS[kind]) {
      const [sign, name] = SIGNS[kind], shown = element("span", "sign", sign + " ");
      shown.ariaHidden = "true";
      chip.append(shown, element("span", "sr", name + ": "));
    }
    chip.append(say("span", "", words));
    if (why) chip.append(element("span", "why", " ·\u00a0" + why.replaceAll(" ", "\u00a0")));
    list.append(chip);
  }
  return list;
}
// A message: role, text, head ([words, class, meaning]), marks, and its id if it can be linked to.
function message({ role, text, head = [], marks = [], id, preferred }) {
  const made = element("div", "message " + role + (preferred ? " preferred" : ""));
  const line = element("div", "head");
  for (const [words, name, meaning] of head) {
    if (!words) continue;
    const part = element(name === "who" ? "b" : "span", name, words);
    if (meaning) { part.title = meaning; part.append(element("span", "sr", " (" + meaning + ")")); }
    line.append(part);
  }
  if (id) {
    made.id = id;
    const link = element("a", "anchor", "#" + id.split(":").pop().slice(0, 6));
    link.href = "#" + encodeURIComponent(id);
    link.ariaLabel = "link to this message, " + id.split(":").pop().slice(0, 6);
    line.append(link);
  }
  made.append(line, text ? say("p", "text", text) : element("p", "text dim", "(empty)"));
  if (marks.length) made.append(chips(marks));
  return made;
}
function pairs(about) {
  const list = element("dl", "about");
  for (const [name, text] of about) if (text) list.append(element("dt", "", name), say("dd", "", text));
  return list;
}
// A fold that is filled when it is opened first; its key tells it from others of its item.
function folded(name, title, fill, key) {
  const fold = element("details", name);
  fold.dataset.key = key;
  fold.append(element("summary", "", title));
  fold.addEventListener("toggle", () => fold.open && fold.children.length === 1 && fill(fold));
  return fold;
}
const many = (count, name) => count + " " + name + (count === 1 ? "" : "s");
// Calls with what was sent and what came back, one fold each; those of `held` are all of its tree.
function callFolds(box, calls, held) {
  const { texts } = held;
  for (const call of calls) {
    const title = call.role + " → " + call.model + (call.outcome === "ok" ? "" : ", " + call.outcome) + " · " + call.took;
    box.append(folded("call", title, (fold) => {
      for (const [role, place] of call.sent) fold.append(element("p", "from", role), element("pre", "", texts[place]));
      if (!call.sent.length) fold.append(element("p", "dim", "What was sent is not recorded."));
      if (call.thoughts) fold.append(element("p", "from", "thoughts"), element("pre", "", call.thoughts));
      fold.append(element("p", "from", call.outcome === "error" ? "failed" : "answer"), element("pre", "", call.said));
    }, held.calls.indexOf(call)));
  }
}
// The calls that belong to no message which is shown: of a draft in an old log, of a branch that failed.
function otherCalls(box, held, names, key = "") {
  const known = new Set(names), calls = held ? held.calls.filter((call) => !known.has(call.node)) : [];
  if (calls.length) box.append(folded("behind", many(calls.length, "other call"), (fold) => callFolds(fold, calls, held), "other" + key));
}

// Items: {fold, texts, kinds, ids, fill}. They are drawn when opened, found, narrowed down, linked to.
function browse(items) {
  const search = byId("search"), kind = byId("kind"), things = document.querySelector(".tools").dataset.things;
  const place = new Map(items.flatMap((item) => item.ids.map((id) => [id, item])));
  function draw(item) {
    if (!item.fold.open || item.drawn) return;
    item.drawn = true;
    const box = element("div", "open");
    item.fill(box);
    item.fold.append(box);
  }
  function forget(item) {
    item.drawn = false;
    item.fold.querySelectorAll(":scope > .open").forEach((box) => box.remove());
  }
  function choose() {
    const before = wanted;
    wanted = small(search.value.trim());
    let shown = 0, matches = 0;
    for (const item of items) {
      const hits = item.texts.reduce((sum, text) => sum + places(text).length, 0);
      item.fold.hidden = (wanted && !hits) || (kind && kind.value !== "all" && !item.kinds.includes(kind.value));
      item.fold.querySelector(".hits").textContent = wanted && hits ? hits : "";
      item.fold.querySelector(".hits").title = many(hits, "match").replace("matchs", "matches");
      if (!item.fold.hidden) { shown += 1; matches += hits; }
      if (before !== wanted) { forget(item); draw(item); }
    }
    const among = shown + " of " + items.length + " " + things;
    byId("found").textContent = wanted ? matches + (matches === 1 ? " match in " : " matches in ") + among : among;
  }
  function go() {
    const id = decodeURIComponent(location.hash.slice(1));
    const known = [...place.keys()].find((each) => each === id || each.endsWith(":" + id));
    const item = place.get(known) || items.find((each) => each.fold.id === id);
    if (!item) return;
    item.fold.hidden = false;
    item.fold.open = true;
    draw(item);
    document.querySelectorAll(".target").forEach((old) => old.classList.remove("target"));
    const there = (known && byId(known)) || item.fold;
    for (let up = there.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    if (there !== item.fold) there.classList.add("target");
    there.scrollIntoView({ block: there === item.fold ? "start" : "center" });
  }
  let pause;
  search.addEventListener("input", () => { clearTimeout(pause); pause = setTimeout(choose, 150); });
  search.addEventListener("change", choose);
  if (kind) kind.addEventListener("change", choose);
  const all = (open) => items.forEach((item) => {
    if (item.fold.hidden) return;
    item.fold.open = open;
    draw(item);
    item.fold.querySelectorAll(".branch").forEach((branch) => { branch.open = open; });
  });
  byId("expand").addEventListener("click", () => all(true));
  byId("collapse").addEventListener("click", () => all(false));
  for (const item of items)
    item.fold.addEventListener("toggle", () => { draw(item); tell({ item: item.fold.id, open: item.fold.open }); });
  addEventListener("hashchange", go);
  heard((said) => {
    const fold = byId(said.item);
    if (fold && fold.open !== said.open) { fold.open = said.open; fold.scrollIntoView(); }
  });
  items.forEach(draw);
  choose();
  go();
  return { choose };
}

// Two runs side by side are two frames: what is opened in one is opened in the other.
const framed = parent !== window && data("live") !== null;
document.body.classList.toggle("framed", framed);
function tell(said) {
  if (framed) parent.postMessage(said, location.origin);
}
function heard(take) {
  addEventListener("message", (event) => {
    if (framed && event.origin === location.origin && event.source === parent) take(event.data);
  });
}

// What a fold is called in every version of a page: branches come and go as a tree grows, so they are no part of it.
function pathOf(fold) {
  const root = fold.closest("details[id], section[id]"), path = [];
  for (let at = fold; at && at !== root; at = at.parentElement)
    if (at.dataset.key !== undefined && (at === fold || !at.matches(".branch"))) path.unshift(at.dataset.key);
  return JSON.stringify([root && root.id, ...path]);
}
const CONTROLS = ["search", "kind", "order"];
const landmarks = () => [...document.querySelectorAll("section[id], .message[id], details")].filter((each) => each.getClientRects().length);
const nameOf = (mark) => (mark.matches("details") ? pathOf(mark) : mark.id);
// How a page stands: the folds that are not as they are drawn, what narrows it down, and what is at its upper edge.
function howItStands() {
  const paths = (folds) => [...document.querySelectorAll(folds)].map(pathOf);
  const edge = landmarks().filter((each) => each.getBoundingClientRect().top <= 1).pop();
  return {
    open: paths("details[open]:not(.branch)"), closed: paths(".branch:not([open])"),
    set: CONTROLS.map((id) => [id, byId(id) ? byId(id).value : ""]),
    top: scrollY, edge: edge && [nameOf(edge), edge.getBoundingClientRect().top],
  };
}
function standAgain({ open, closed, set, top, edge }) {
  for (const [id, value] of set) {
    const held = byId(id);
    if (!held || !value || (held.options && ![...held.options].some((each) => each.value === value))) continue;
    held.value = value;
    held.dispatchEvent(new Event("change"));
  }
  const opened = new Set(open), shut = new Set(closed);
  const reopen = (box) => box.querySelectorAll("details").forEach((fold) => {
    const wanted = fold.matches(".branch") ? !shut.has(pathOf(fold)) : opened.has(pathOf(fold));
    if (fold.open === wanted) return;
    fold.open = wanted;
    fold.dispatchEvent(new Event("toggle")); // fills it now, and not in a moment
    reopen(fold);
  });
  reopen(document);
  const mark = edge && landmarks().find((each) => nameOf(each) === edge[0]);
  if (mark) scrollBy(0, mark.getBoundingClientRect().top - edge[1]);
  else scrollTo(0, top);
}

// A served page looks every two seconds whether it is out of date, and loads again as it stood.
const live = data("live");
if (live) {
  const key = "stood:" + location.pathname, stood = JSON.parse(sessionStorage.getItem(key) || "null");
  sessionStorage.removeItem(key);
  addEventListener("load", () => {
    if (stood) standAgain(stood);
    setTimeout(() => { history.scrollRestoration = "auto"; });
  });
  const look = async () => {
    try {
      const now = await (await fetch(live.state)).text();
      if (now !== live.version) {
        sessionStorage.setItem(key, JSON.stringify(howItStands()));
        history.scrollRestoration = "manual";
        location.reload();
        return;
      }
    } catch { /* the server is gone, or busy: the page stays as it is */ }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
}
