// Trees are drawn when they are opened. What follows without a choice stays on one level.
const trees = data("trees");
function draw(node) {
  const made = message(node.role, node.text, node.meta, node.marks);
  if (node.preferred) made.classList.add("preferred");
  if (node.role === "assistant" && !node.continued) made.classList.add("aside");
  made.id = node.id;
  return made;
}
function level(box, below, start) {
  let follow = [start];
  while (follow.length === 1) {
    const node = follow[0];
    box.append(draw(node));
    const after = below.get(node.id) || [];
    follow = after.filter((each) => each.role === "user");
    for (const reply of after.filter((each) => each.role === "assistant")) {
      box.append(draw(reply));
      follow.push(...(below.get(reply.id) || []).map((each) => ({ ...each, after: reply })));
    }
  }
  for (const node of follow) {
    const fold = element("details", "branch");
    const name = node.after ? "after " + node.after.agent + " " + node.after.id.slice(0, 6) : "on";
    fold.append(element("summary", "small", name));
    fold.open = true;
    level(fold, below, node);
    box.append(fold);
  }
}
lazily("details.tree", (fold) => {
  const tree = trees[fold.dataset.number];
  const below = new Map();
  for (const node of tree.nodes) {
    if (!below.has(node.parent)) below.set(node.parent, []);
    below.get(node.parent).push(node);
  }
  fold.append(element("p", "dim", tree.persona));
  for (const opening of below.get(null) || []) level(fold, below, opening);
});
const kind = document.getElementById("kind"), search = document.getElementById("search");
function choose() {
  const words = search.value.toLowerCase();
  let found = 0;
  for (const fold of document.querySelectorAll("details.tree")) {
    const tree = trees[fold.dataset.number];
    const texts = [tree.persona, ...tree.nodes.map((node) => node.text)];
    const fits = kind.value === "all" || tree.kinds.includes(kind.value);
    fold.hidden = !(fits && texts.some((text) => text.toLowerCase().includes(words)));
    found += !fold.hidden;
  }
  document.getElementById("found").textContent = found + " of " + trees.length + " trees";
}
kind.addEventListener("change", choose);
search.addEventListener("input", choose);
choose();
