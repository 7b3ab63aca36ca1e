
// On every page: theme, keyboard, printing, and the state of filters in the address.
const worktrial = (() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, text = "", kind = "") => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };

  // Filters stand behind a question mark in the fragment, so that an address leads back to what was seen.
  const state = () => new URLSearchParams(location.hash.split("?")[1] || "");
  const keep = (section, values) => {
    const kept = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
    const hash = kept.size ? `#${section}?${kept}` : `#${section}`;
    try { history.replaceState(null, "", hash); } catch { location.replace(hash); }
  };
  const arrive = () => {
    const id = decodeURIComponent(location.hash.slice(1).split("?")[0]);
    const found = id && document.getElementById(id);
    if (!found) return;
    const closed = found.matches("details") ? found : $(":scope > details", found) || found.closest("details");
    if (closed) closed.open = true;
    found.scrollIntoView();
  };

  const theme = () => {
    let saved = "";
    try { saved = localStorage.getItem("worktrial-theme") || ""; } catch { /* pages from disk may have no storage */ }
    const names = ["", "light", "dark"], words = { "": "as the system", light: "light", dark: "dark" };
    const button = make("button", "", "theme");
    button.type = "button";
    const show = () => {
      if (saved) document.documentElement.dataset.theme = saved; else delete document.documentElement.dataset.theme;
      button.textContent = `Colours: ${words[saved]}`;
    };
    button.addEventListener("click", () => {
      saved = names[(names.indexOf(saved) + 1) % names.length];
      try { localStorage.setItem("worktrial-theme", saved); } catch { /* then it holds for this page */ }
      show();
    });
    show();
    $(".foot").append(button);
  };

  // Rows to walk through with j and k: of the table of tasks, the steps of a trajectory, or the trials of a task.
  const rows = () => $$(".grid tbody tr, .steps > li, .results tbody tr").filter((row) => row.checkVisibility());
  let at = null;
  const walk = (by) => {
    const all = rows();
    if (!all.length) return;
    const from = all.indexOf(at);
    const next = all[from < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, from + by))];
    at?.classList.remove("at");
    at = next;
    at.classList.add("at");
    ($("summary, a", at) || at).focus({ preventScroll: true });
    at.scrollIntoView({ block: "nearest" });
  };

  const keys = [["j, k", "next, previous row"], ["Enter", "open it"], ["/", "search"], ["n, p", "next, previous task"],
    ["u", "up, to the report or task"], ["Esc", "leave the search, close this"], ["?", "this help"]];
  const help = () => {
    let dialog = $("dialog.keys");
    if (!dialog) {
      dialog = make("dialog", "", "keys");
      dialog.setAttribute("aria-labelledby", "keys-title");
      const title = make("h2", "Keys");
      title.id = "keys-title";
      const list = make("dl");
      keys.forEach(([key, what]) => { const line = make("div"); line.append(make("dt", key), make("dd", what)); list.append(line); });
      const close = make("button", "Close");
      close.addEventListener("click", () => dialog.close());
      dialog.append(title, list, close);
      document.body.append(dialog);
    }
    if (dialog.open) dialog.close(); else dialog.showModal();
  };

  const follow = (selector) => { const found = $(selector); if (found) found.click(); };
  const press = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches?.("input[type=search], select, textarea");
    if (event.key === "Escape" && typing) { event.target.blur(); return; }
    if (typing || $("dialog[open]") && event.key !== "?") return;
    const does = {
      j: () => walk(1), k: () => walk(-1), "?": help, u: () => follow(".crumbs a:last-of-type"),
      n: () => follow("a[rel=next]"), p: () => follow("a[rel=prev]"),
      "/": () => $("input[type=search]")?.focus(),
    }[event.key];
    if (does) { event.preventDefault(); does(); }
  };

  theme();
  const keysHint = make("button", "Keys: ?", "theme");
  keysHint.type = "button";
  keysHint.addEventListener("click", help);
  $(".foot").append(keysHint);
  addEventListener("keydown", press);
  addEventListener("hashchange", arrive);
  addEventListener("beforeprint", () => $$("details").forEach((one) => { one.open = true; }));
  // What to do when parts of the page have changed under it.
  const again = [];
  return { $, $$, make, state, keep, arrive, again };
})();
