
// The table of tasks: what is shown, and the search.
worktrial.tasks = () => {
  const { $, $$, state, keep } = worktrial;
  const box = $(".tasks .filters");
  if (!box) return;
  const [show, search, said] = ["#show", "#q", "#shown"].map((id) => $(id, box));
  const rows = $$(".grid tbody tr").map((row) => ({ row, d: row.dataset.d, text: $("th", row).textContent.toLowerCase() }));
  const filter = (remember) => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { row, d, text } of rows) {
      const fits = (show.value === "any" || d === show.value) && words.every((word) => text.includes(word));
      row.hidden = !fits;
      count += fits;
    }
    said.textContent = `${count.toLocaleString("en")} of ${rows.length.toLocaleString("en")} tasks`;
    if (remember) keep("tasks", { show: show.value, q: search.value });
  };
  const given = state();
  if (given.has("show")) show.value = given.get("show");
  if (show.selectedIndex < 0) show.selectedIndex = 0;
  search.value = given.get("q") || "";
  show.addEventListener("change", () => filter(true));
  search.addEventListener("input", () => filter(true));
  box.hidden = false;
  filter(false);
};
worktrial.tasks();
worktrial.arrive();
