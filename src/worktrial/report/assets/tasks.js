// The table of tasks: what is shown, and the search.
(() => {
  const { $, $$, state, keep, again } = worktrial;
  const box = $(".tasks .filters");
  if (!box) return;
  const [show, search, said] = ["#show", "#q", "#shown"].map((id) => $(id, box));
  let rows = [];
  const read = () => { rows = $$(".grid tbody tr").map((row) => ({ row, d: row.dataset.d, text: $("th", row).textContent.toLowerCase() })); };
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
  const now = () => { read(); filter(false); };
  again.push(now);
  now();
})();
worktrial.arrive();
