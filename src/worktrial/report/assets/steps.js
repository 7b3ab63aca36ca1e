
// A trajectory: which steps are shown, by what they did, by error, and by what is in them.
worktrial.steps = () => {
  const { $, $$, make, state, keep } = worktrial;
  const box = $(".trajectory .filters");
  if (!box) return;
  const list = $(".steps"), search = $("input[type=search]", box), said = $("output", box);
  const kinds = $$("input[name=kind]", box), errors = $("#errors", box);
  const rows = $$(":scope > li", list).map((row) => ({
    row, details: $("details", row), kinds: row.dataset.k.split(" "), error: "e" in row.dataset, text: row.textContent.toLowerCase(),
  }));
  const filter = (remember) => {
    const chosen = kinds.filter((one) => one.checked).map((one) => one.value);
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row, kinds: own, error, text } of rows) {
      const fits = (!chosen.length || own.some((kind) => chosen.includes(kind))) && (!errors?.checked || error)
        && words.every((word) => text.includes(word));
      row.hidden = !fits;
      count += fits;
    }
    said.textContent = `${count} of ${rows.length} steps`;
    if (remember) keep("trajectory", { kind: chosen.join("."), errors: errors?.checked ? "1" : "", q: search.value });
  };
  const given = state();
  const wanted = (given.get("kind") || "").split(".");
  kinds.forEach((one) => { one.checked = wanted.includes(one.value); one.addEventListener("change", () => filter(true)); });
  if (errors) { errors.checked = given.get("errors") === "1"; errors.addEventListener("change", () => filter(true)); }
  search.value = given.get("q") || "";
  search.addEventListener("input", () => filter(true));

  const all = make("button");
  all.type = "button";
  const shown = () => rows.filter(({ row }) => !row.hidden).map(({ details }) => details);
  const label = () => { all.textContent = shown().every((one) => one.open) ? "Close all steps" : "Open all steps"; };
  all.addEventListener("click", () => {
    const open = !shown().every((one) => one.open);
    shown().forEach((one) => { one.open = open; });
    label();
  });
  label();
  box.append(all);
  box.hidden = false;
  filter(false);
};
worktrial.steps();
worktrial.arrive();
