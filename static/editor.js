// The postmortem editor: saves by itself, keeps a copy until the server has it, and lets nobody overwrite anybody.
// Every form here works without this file; what it sends is what a press of Save would send.
(() => {
  "use strict";
  const editor = document.getElementById("editor");
  if (!editor) return;
  const $ = (q, from = document) => from.querySelector(q), $$ = (q, from = document) => [...from.querySelectorAll(q)];
  const SAVE_AFTER = 2000, PREVIEW_AFTER = 500, AGAIN_AFTER = 5000, LATE = 10000;
  const part = { "HX-Request": "true", "HX-Request-Type": "partial" };
  const tell = (name, value) => document.dispatchEvent(new CustomEvent(name, { detail: { value } }));
  const clock = (ms) => `${new Date(ms).toISOString().slice(11, 19)} UTC`;
  const offset = Date.parse(document.documentElement.dataset.now) - Date.now() || 0;
  const now = () => Date.now() + (Math.abs(offset) > 2000 ? offset : 0);
  document.documentElement.classList.add("saves-itself");

  // -- what a form says, and what the server has of it ----------------------------------------------------------
  const fields = (form) => [...form.elements].filter((el) => el.name && !["hidden", "submit", "button"].includes(el.type) && el.tagName !== "BUTTON" && el.tagName !== "FIELDSET");
  const said = (form) => JSON.stringify(fields(form).map((el) => [el.name, el.value]));
  const served = (el) => (el.tagName === "SELECT" ? ([...el.options].find((o) => o.defaultSelected) ?? el.options[0])?.value ?? "" : el.defaultValue);
  const states = new WeakMap();
  function of(form) {
    if (!states.has(form)) {
      const paused = "paused" in form.dataset;
      states.set(form, { stands: paused ? "" : JSON.stringify(fields(form).map((el) => [el.name, served(el)])), base: form.dataset.base ?? form.elements.version.value, paused, since: null, refused: null, timer: 0, saving: null });
    }
    return states.get(form);
  }
  const address = (form) => form.getAttribute("action"); // a field may be called action
  const unit = (form) => form.closest("[data-unit]");
  const all = () => $$("form[data-saves]", editor);
  const unsaved = (form) => said(form) !== of(form).stands;
  const word = (form, text, bad = false) => { const line = $("[data-state]", form); if (line) { line.textContent = text; line.classList.toggle("warn-text", bad); } };

  // -- the copy in this browser, until the server has it ----------------------------------------------------------
  const key = (form) => `${editor.dataset.keep}:${address(form)}`;
  const store = (act) => { try { return act(localStorage); } catch { return null; } };
  const keep = (form) => store((s) => s.setItem(key(form), JSON.stringify({ fields: JSON.parse(said(form)), base: of(form).base, at: now() })));
  const forget = (form) => store((s) => s.removeItem(key(form)));
  function restore(form) {
    const kept = store((s) => JSON.parse(s.getItem(key(form)) ?? "null"));
    if (!kept || of(form).paused) return;
    const before = fields(form).map((el) => [el, el.value]);
    for (const [name, value] of kept.fields) { const el = fields(form).find((each) => each.name === name); if (el) el.value = value; }
    if (!unsaved(form)) return forget(form);
    of(form).base = form.elements.version.value = kept.base;
    const note = document.createElement("p"), drop = document.createElement("button");
    note.className = "banner boxed warn"; note.dataset.restored = "";
    note.textContent = `Restored from this browser's copy of ${clock(kept.at)}. `;
    drop.type = "button"; drop.className = "btn small"; drop.textContent = "Discard the copy";
    drop.onclick = () => { note.remove(); forget(form); clearTimeout(of(form).timer); take(form); };
    note.append(drop); form.prepend(note);
    for (const [el, value] of before) if (el.value !== value) look(el);
    touched(form);
  }

  // -- saving -----------------------------------------------------------------------------------------------------
  function touched(form) {
    const state = of(form);
    clearTimeout(state.timer);
    if (!unsaved(form)) { state.since = null; forget(form); return word(form, "Nothing to save"); }
    state.since ??= Date.now();
    keep(form);
    if (state.paused) return;
    word(form, "Not saved yet");
    state.timer = setTimeout(() => save(form), SAVE_AFTER);
  }
  async function save(form) {
    const state = of(form);
    clearTimeout(state.timer);
    if (state.saving) { await state.saving; }
    if (state.paused || !form.isConnected || !unsaved(form)) return !unsaved(form);
    if (state.refused === said(form)) return false;
    state.saving = send(form, state);
    const done = await state.saving;
    state.saving = null;
    if (done && unsaved(form)) touched(form);
    return done;
  }
  async function send(form, state) {
    const sent = said(form);
    word(form, "Saving …");
    let answer;
    try { answer = await fetch(address(form), { method: "POST", body: new FormData(form), headers: part, keepalive: sent.length < 30000 }); } catch { answer = null; }
    if (answer?.redirected) { location.reload(); return false; }
    if (answer?.ok) {
      const told = await answer.json();
      form.elements.version.value = state.base = told.version;
      state.stands = sent; state.since = null; state.refused = null;
      $("[data-restored]", form)?.remove(); $(".pm-conflict", form)?.replaceChildren(); checked(form);
      if (said(form) === sent) forget(form);
      word(form, `Saved ${clock(now())}`);
      soon();
      return true;
    }
    if (answer?.status === 409 && answer.headers.get("X-Conflict")) {
      const theirs = new DOMParser().parseFromString(await answer.text(), "text/html");
      $(".pm-conflict", form).replaceChildren(...$(".pm-conflict", theirs).childNodes);
      state.paused = true; form.dataset.over = answer.headers.get("X-Conflict");
      keep(form); word(form, "Not saved: two people wrote here", true);
      tell("announce", $(".pm-conflict [role=alert]", form)?.textContent);
      return false;
    }
    if (answer && answer.status < 500) {
      state.refused = sent;
      const sentence = answer.headers.get("X-Sentence");
      word(form, `Not saved: ${sentence ? decodeURIComponent(sentence) : "this was refused."}`, true);
      return false;
    }
    word(form, "Not saved: the server does not answer", true);
    state.timer = setTimeout(() => save(form), AGAIN_AFTER);
    return false;
  }
  async function saveAll() { const done = await Promise.all(all().map(save)); return done.every(Boolean); }
  setInterval(() => {
    const late = all().filter((form) => of(form).since && Date.now() - of(form).since > LATE), line = $("#pm-late");
    if (!line) return;
    const kept = late.length ? store((s) => JSON.parse(s.getItem(key(late[0])) ?? "null")) : null;
    const text = late.length ? `Not saved for ${Math.round(LATE / 1000)} s. ${kept ? `This browser keeps a copy from ${clock(kept.at)}.` : "This browser keeps no copy: copy the text yourself."}` : "";
    line.hidden = !text;
    if (line.textContent !== text) line.textContent = text;
  }, 1000);
  addEventListener("pagehide", () => { for (const form of all()) if (!of(form).paused && unsaved(form)) { keep(form); save(form); } });

  // -- taking theirs, merging, adding, removing: an answer takes its unit's place -----------------------------------
  function place(form, html, after) {
    const old = unit(form), next = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
    const beside = old.nextElementSibling ?? old.previousElementSibling ?? old.parentElement;
    if (next) old.replaceWith(next); else old.remove();
    const target = next ?? beside;
    if (after === "focus") ($("textarea, input:not([type=hidden]), select", target) ?? target).focus();
    measure(target);
    return next;
  }
  async function take(form, focus = "focus") {
    const answer = await fetch(unit(form).dataset.url, { headers: part });
    if (!answer.ok) return tell("toast", "That is no longer here. Reload the page.");
    forget(form);
    place(form, await answer.text(), focus);
  }
  const checked = (form) => $$("[data-draft-chip]", unit(form)).forEach((mark) => mark.remove());
  async function check(form, submitter) {
    const answer = await fetch(address(form), { method: "POST", body: new FormData(form, submitter), headers: part }).catch(() => null);
    if (!answer?.ok) return tell("toast", "Not saved. Nothing changed.");
    form.elements.version.value = of(form).base = (await answer.json()).version;
    checked(form); word(form, `Checked ${clock(now())}`); $("textarea", form).focus(); soon();
  }
  async function press(form, submitter) {
    const main = unit(form) && $("form[data-saves]", unit(form));
    if (main && main !== form && form.elements.version) form.elements.version.value = main.elements.version.value;
    const data = new FormData(form, submitter);
    let answer;
    try { answer = await fetch(address(form), { method: "POST", body: data, headers: part }); } catch { return tell("toast", "Not saved. Nothing changed."); }
    const text = await answer.text();
    if (answer.status === 409 && submitter?.value === "merge") return place(form, text, "focus");
    if (!answer.ok) { const said_ = answer.headers.get("X-Sentence"); return tell("toast", said_ ? decodeURIComponent(said_) : "Refused. Nothing changed."); }
    if (form.dataset.adds) {
      const list = document.getElementById(form.dataset.adds), next = new DOMParser().parseFromString(text, "text/html").body.firstElementChild;
      list.append(next);
      form.reset();
      $("textarea, input:not([type=hidden]), select", next)?.focus();
      tell("announce", "Row added.");
    } else { place(form, text, "focus"); tell("announce", text.trim() ? "Saved." : "Removed."); }
    soon();
  }
  editor.addEventListener("submit", async (e) => {
    const form = e.target, by = e.submitter;
    if (form.matches("[data-saves]")) {
      e.preventDefault();
      if (by?.value === "merge") return press(form, by);
      if (by?.value === "check" && !unsaved(form)) return check(form, by);
      const state = of(form);
      if (by?.name === "nobody") { const box = form.elements[by.value]; box.value = "nobody"; }
      if (state.paused) { state.paused = false; form.elements.version.value = form.dataset.over ?? form.elements.version.value; }
      state.refused = null;
      if (await save(form)) tell("announce", "Saved.");
    } else if (form.matches("[data-presses]")) {
      e.preventDefault();
      press(form, by);
    } else if (all().some(unsaved)) {
      e.preventDefault();
      if (await saveAll()) form.requestSubmit(by); else tell("toast", "Not everything is saved yet. Nothing was done.");
    }
  });
  editor.addEventListener("click", (e) => {
    const link = e.target.closest?.("[data-take]");
    if (link) { e.preventDefault(); take(link.closest("form[data-saves]")); }
    const tool = e.target.closest?.("[data-insert]");
    if (tool) insert($("textarea", tool.closest("form")), tool.dataset);
    const turn = e.target.closest?.("[data-turn]");
    if (turn) flip(turn.closest("[data-unit]"));
  });
  editor.addEventListener("input", (e) => { const form = e.target.closest?.("form[data-saves]"); if (form) { look(e.target); touched(form); } });
  editor.addEventListener("focusout", (e) => { const form = e.target.closest?.("form[data-saves]"); if (form && unsaved(form)) save(form); else if (form) setTimeout(fresh, 300); });

  // -- Markdown: buttons that insert, a preview that the server draws ------------------------------------------------
  function insert(box, { insert: sign, line }) {
    const { selectionStart: from, selectionEnd: to, value } = box, picked = value.slice(from, to);
    box.focus();
    let text;
    if (line !== undefined) {
      const start = value.lastIndexOf("\n", from - 1) + 1;
      box.setSelectionRange(start, to);
      text = value.slice(start, to).split("\n").map((each) => sign + each).join("\n");
    } else text = sign.includes("|") ? sign.replace("|", picked || "text") : `${sign}${picked || "text"}${sign}`;
    if (!document.execCommand("insertText", false, text)) { box.setRangeText(text, box.selectionStart, box.selectionEnd, "end"); box.dispatchEvent(new Event("input", { bubbles: true })); }
  }
  const looks = new WeakMap();
  function look(box, wait = PREVIEW_AFTER) {
    const into = box.dataset?.preview && document.getElementById(box.dataset.preview);
    if (!into) return;
    const state = looks.get(box) ?? { turn: 0 };
    looks.set(box, state);
    clearTimeout(state.timer);
    state.timer = setTimeout(async () => {
      const turn = ++state.turn, body = new FormData();
      body.set("text", box.value); body.set("csrfmiddlewaretoken", box.form.elements.csrfmiddlewaretoken.value);
      try {
        const answer = await fetch(editor.dataset.preview, { method: "POST", body, headers: part });
        if (answer.ok && turn === state.turn) { const html = new DOMParser().parseFromString(await answer.text(), "text/html"); into.replaceChildren(...html.body.childNodes); }
      } catch { /* the next change asks again; the text itself is kept and saved elsewhere */ }
    }, wait);
  }
  function flip(within) {
    const on = within.classList.toggle("previewing"), turn = $("[data-turn]", within), box = $("textarea", within);
    if (turn) { turn.setAttribute("aria-pressed", on); }
    look(box, 0);
    if (on) $(".pm-preview", within).focus({ preventScroll: true }); else box.focus();
  }

  // -- keys -----------------------------------------------------------------------------------------------------------
  document.addEventListener("keydown", async (e) => {
    const hold = e.ctrlKey || e.metaKey;
    if (hold && !e.shiftKey && !e.altKey && e.key.toLowerCase() === "s") {
      e.preventDefault();
      for (const form of all()) { clearTimeout(of(form).timer); of(form).refused = null; }
      tell("announce", (await saveAll()) ? "Everything is saved." : "Not everything is saved.");
    } else if (hold && e.key === "Enter") {
      const within = document.activeElement?.closest?.("[data-section]");
      if (within) { e.preventDefault(); flip(within); }
    } else if (e.altKey && !hold && (e.key === "ArrowUp" || e.key === "ArrowDown")) {
      const sections = $$("[data-section]", editor), here = document.activeElement?.closest?.("[data-section]");
      const at = here ? sections.indexOf(here) : e.key === "ArrowDown" ? -1 : sections.length;
      const next = sections[at + (e.key === "ArrowDown" ? 1 : -1)];
      if (next) { e.preventDefault(); $("textarea", next).focus(); next.scrollIntoView({ block: "nearest" }); }
    }
  });

  // -- who is here, what others saved, what is still missing ------------------------------------------------------------
  let asked = 0;
  const soon = (wait = 400) => { clearTimeout(asked); asked = setTimeout(() => window.htmx?.trigger("#pm-status", "saved"), wait); };
  editor.addEventListener("focusin", (e) => {
    const within = e.target.closest?.("[data-place]"), field = $("#pm-place");
    if (within && field && field.value !== within.dataset.place) { field.value = within.dataset.place; soon(1500); }
  });
  function measure(within = document) {
    const told = $$("#pm-findings > li");
    for (const slot of $$(".pm-findings", within)) slot.replaceChildren(...told.filter((li) => li.dataset.for === slot.dataset.for).map((li) => { const copy = li.cloneNode(true); copy.removeAttribute("data-for"); return copy; }));
  }
  async function fresh() {
    measure(editor);
    for (const mark of $$("#pm-versions > [data-of]")) {
      const found = document.getElementById(mark.dataset.of), form = found && $("form[data-saves]", found);
      if (!found) {
        const list = document.getElementById(mark.dataset.list), answer = list && (await fetch(mark.dataset.url, { headers: part }));
        if (answer?.ok && !document.getElementById(mark.dataset.of)) { const next = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild; if (next) list.append(next); }
      } else if (form && Number(mark.value) > Number(form.elements.version.value) && !of(form).saving && !of(form).paused && !unsaved(form) && !found.contains(document.activeElement)) {
        const answer = await fetch(mark.dataset.url, { headers: part });
        if (answer.ok && !unsaved(form) && !found.contains(document.activeElement)) place(form, await answer.text());
      }
    }
  }
  document.addEventListener("htmx:after:settle", (e) => { if (e.detail?.task?.target?.id === "pm-status") fresh(); });

  all().forEach(restore);
})();
