// Everything a page says arrives as data and becomes text by textContent: nothing in it is ever markup.
function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined && text !== null) made.textContent = text;
  return made;
}
function data(id) {
  return JSON.parse(document.getElementById(id).textContent);
}
// A message as aloe.page.message draws it; marks are [text, isFault] pairs.
function message(role, text, meta, marks) {
  const made = element("div", "message " + role);
  if (meta) made.append(element("span", "meta", meta));
  made.append(element("span", "", text));
  if (marks && marks.length) {
    const row = element("div", "marks");
    for (const [words, fault] of marks) row.append(element("span", fault ? "fault" : "", words));
    made.append(row);
  }
  return made;
}
// Fills a fold when it is opened first: fill(fold) gets the <details>.
function lazily(selector, fill) {
  const open = (fold) => {
    if (fold.open && !fold.dataset.filled) {
      fold.dataset.filled = "yes";
      fill(fold);
    }
  };
  for (const fold of document.querySelectorAll(selector)) {
    fold.addEventListener("toggle", () => open(fold));
    open(fold);
  }
  const go = () => {
    const wanted = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (wanted && wanted.matches(selector)) {
      wanted.open = true;
      open(wanted);
      wanted.scrollIntoView();
    }
  };
  addEventListener("hashchange", go);
  go();
}
