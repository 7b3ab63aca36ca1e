// A trajectory: which steps are shown, by what they did, by error, and by what is in them.
(() => {
  const { $, $$, make, state, keep, again } = worktrial;
  let box = null, search, said, all, rows = [];
  const kinds = () => $$("input[name=kind]:checked", box).map((one) => one.value);
  const errors = () => $("#errors", box)?.checked;
  const read = () => {
    rows = $$(".steps > li").map((row) => ({
      row, details: $("details", row), kinds: row.dataset.k.split(" "), error: "e" in row.dataset, text: row.textContent.toLowerCase(),
    }));
  };
  const shown = () => rows.filter(({ row }) => !row.hidden).map(({ details }) => details);
  const label = () => { all.textContent = shown().every((one) => one.open) ? "Close all steps" : "Open all steps"; };
  const filter = (remember) => {
    const chosen = kinds(), failed = errors();
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row, kinds: own, error, text } of rows) {
      const fits = (!chosen.length || own.some((kind) => chosen.includes(kind))) && (!failed || error)
        && words.every((word) => text.includes(word));
      row.hidden = !fits;
      count += fits;
    }
    said.textContent = `${count} of ${rows.length} steps`;
    if (remember) keep("trajectory", { kind: chosen.join("."), errors: failed ? "1" : "", q: search.value });
  };
  const begin = (found) => {
    box = found;
    search = $("input[type=search]", box);
    said = $("output", box);
    const given = state(), wanted = (given.get("kind") || "").split(".");
    $$("input[name=kind]", box).forEach((one) => { one.checked = wanted.includes(one.value); });
    if (given.get("errors") === "1" && $("#errors", box)) $("#errors", box).checked = true;
    search.value = given.get("q") || "";
    box.addEventListener("change", () => filter(true));
    search.addEventListener("input", () => filter(true));
    all = make("button");
    all.type = "button";
    all.dataset.own = "";  // live pages leave it where it is
    all.addEventListener("click", () => {
      const open = !shown().every((one) => one.open);
      shown().forEach((one) => { one.open = open; });
      label();
    });
    box.append(all);
    box.hidden = false;
  };
  const now = () => {
    const found = $(".trajectory .filters");  // a trial that is under way may have none yet
    if (!found) return;
    if (found !== box) begin(found);
    read();
    filter(false);
    label();
  };
  again.push(now);
  now();
})();
worktrial.arrive();
