// Lastgood in the browser: live state, keys, focus, drafts, local times. Every page is whole without this file.
(() => {
  "use strict";
  const root = document.documentElement, $ = (q, from = document) => from.querySelector(q), $$ = (q, from = document) => [...from.querySelectorAll(q)];
  const on = (event, act, options) => document.addEventListener(event, act, options);
  const two = (n) => String(n).padStart(2, "0");
  root.classList.add("js");

  // -- the clock: the server's time, the device's zone ------------------------------------------------------------
  const skew = Date.parse(root.dataset.now) - Date.now() || 0;
  const seconds = () => new Date(Date.now() + (Math.abs(skew) > 2000 ? skew : 0));
  const utc = (d) => `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())} UTC`;
  const zone = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  const abroad = new Date().getTimezoneOffset() !== 0;
  function tick() {
    const now = seconds(), world = $("#clock-utc"), here = $("#clock-local");
    if (world) { world.textContent = utc(now); world.dateTime = now.toISOString(); }
    if (here) here.textContent = abroad ? zone.format(now) : "";
    for (const watch of $$("[data-since]")) {
      const s = Math.max(0, Math.floor((now - Date.parse(watch.dataset.since)) / 1000));
      const text = `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
      if (watch.textContent !== text) watch.textContent = text;
    }
  }
  function localTimes(within) {
    if (!abroad) return;
    for (const time of $$("time[datetime]", within)) {
      if (time.id || $(".local", time)) continue;
      const at = new Date(time.dateTime);
      if (isNaN(at)) continue;
      time.title = `${at.toISOString().slice(0, 19).replace("T", " ")} UTC · ${at.toLocaleString("en-GB", { timeZoneName: "short" })}`;
      if (time.closest(".with-local") && time.dataset.style !== "date") {
        const beside = document.createElement("span");
        beside.className = "local meta";
        beside.textContent = ` ${zone.format(at)}`;
        time.append(beside);
      }
    }
  }

  // -- what is said: politely, urgently, on a toast ---------------------------------------------------------------
  let saidAt = 0;
  const say = (text, place = "#announce") => { const box = $(place); if (box && text) { box.textContent = ""; setTimeout(() => { box.textContent = text; }, 50); } };
  function toast(text, act, word = "Retry") {
    const box = document.createElement("div"), line = document.createElement("span");
    box.className = "toast"; line.textContent = text; box.append(line);
    const button = (label, press) => { const b = document.createElement("button"); b.type = "button"; b.textContent = label; b.onclick = () => { box.remove(); press?.(); }; box.append(b); };
    if (act) button(word, act);
    button("Close");
    $("#toasts")?.append(box);
    if (!act) setTimeout(() => box.remove(), 8000);
    say(text);
  }
  on("announce", (e) => say(e.detail?.value));
  on("alarm", (e) => say(e.detail?.value, "#alarm"));
  on("toast", (e) => toast(e.detail?.value));

  // -- live, checking, offline: never nothing ---------------------------------------------------------------------
  let state = "", down = null;
  const WORDS = { live: () => "live", polling: () => "checking every 10 s", offline: () => `offline since ${utc(down)}` };
  function connection(next) {
    if (!$("#live") || (next === state && next !== "offline")) return;
    if (next === "offline") down ??= seconds(); else down = null;
    state = next;
    for (const mark of $$(".conn")) { mark.dataset.state = next; mark.textContent = WORDS[next](); }
  }
  const isLive = (e) => e.target?.id === "live" || e.detail?.ctx?.sourceElement?.id === "live";
  on("htmx:sse:after:connection", () => connection("live"));
  for (const lost of ["htmx:sse:before:connection", "htmx:sse:error", "htmx:sse:close"]) on(lost, () => connection(navigator.onLine ? "polling" : "offline"));
  on("htmx:response:error", (e) => { if (isLive(e)) connection("polling"); });
  on("htmx:error", (e) => {
    const ctx = e.detail?.ctx;
    if (ctx && !ctx.response) connection("offline");
    if (ctx?.request?.method === "POST") toast("Not saved. Nothing changed.", () => ctx.sourceElement?.requestSubmit?.());
  });
  on("htmx:after:request", (e) => { if (state === "offline" && e.detail?.ctx?.response && !isLive(e)) connection("polling"); });
  addEventListener("offline", () => connection("offline"));
  addEventListener("online", () => { connection("polling"); htmx.trigger(document.body, "poll"); });
  setInterval(() => { if (state !== "live" && !document.hidden && $("#live")) htmx.trigger(document.body, "poll"); }, 10000);

  // -- swaps: never under a reader's hands, never twice under a finger ------------------------------------------
  const BY_HAND = new Set(["click", "submit", "change", "input", "keydown", "keyup", "search"]);
  const byHand = (ctx) => BY_HAND.has(ctx?.sourceEvent?.type);
  const swapped = new WeakMap(), before = new WeakMap();
  function held(region) {
    const focus = document.activeElement, picked = getSelection();
    if (region.contains(focus) && focus !== region && (focus.matches(":is(textarea, select, input):not([type=radio], [type=checkbox], [type=hidden])") ? focus.value : focus.matches(":focus-visible"))) return true;
    return !!$("details.arm[open], .held", region) || (picked && !picked.isCollapsed && region.contains(picked.anchorNode));
  }
  on("htmx:before:swap", (e) => {
    const { ctx, tasks } = e.detail, status = ctx?.response?.status, raw = ctx?.response?.raw;
    if (raw?.redirected && new URL(raw.url).pathname.includes("/login")) { e.preventDefault(); location.href = `${new URL(raw.url).pathname}?next=${encodeURIComponent(location.pathname + location.search)}`; return; }
    if (status === 403 || status === 404 || status === 401) { e.preventDefault(); const why = new DOMParser().parseFromString(ctx.text ?? "", "text/html").querySelector("[data-sentence]")?.textContent; if (byHand(ctx)) toast(status === 404 ? "That is no longer here. Nothing changed." : `${why ?? "This needs another role."} Nothing changed.`); return; }
    for (const task of [...(tasks ?? [])]) {
      const region = task.target;
      if (!region?.querySelectorAll) continue;
      before.set(region, { ids: new Set($$("li[id]", region).map((li) => li.id)), text: region.textContent, title: $("h2", region)?.textContent, byHand: byHand(ctx) });
      if (byHand(ctx) || !held(region)) continue;
      tasks.splice(tasks.indexOf(task), 1);
      if (region._htmx) region._htmx.ptag = "";
      region.dataset.stale = "";
      if (!$(":scope > .new-chip", region)) {
        const chip = document.createElement("button");
        chip.type = "button"; chip.className = "chip info new-chip"; chip.textContent = "Something new · Show";
        chip.onclick = () => { chip.remove(); delete region.dataset.stale; $$("details.arm[open]", region).forEach((d) => { d.open = false; }); getSelection()?.removeAllRanges(); document.activeElement?.blur(); htmx.trigger(region, "show"); htmx.trigger(document.body, "poll"); };
        region.prepend(chip);
      }
    }
  });
  on("focusout", (e) => {
    const region = e.target.closest?.("[data-stale]");
    if (region) setTimeout(() => { if (!held(region)) { delete region.dataset.stale; $(":scope > .new-chip", region)?.remove(); htmx.trigger(document.body, "poll"); } }, 200);
  });
  on("htmx:after:settle", (e) => {
    const region = e.detail?.task?.target;
    if (!region?.querySelectorAll) return;
    localTimes(region);
    const known = before.get(region);
    if (known?.text !== region.textContent) swapped.set(region, performance.now());
    if (known?.ids.size) {
      const fresh = $$("li[id]", region).filter((li) => !known.ids.has(li.id));
      for (const li of fresh) { li.classList.add("new"); setTimeout(() => li.classList.remove("new"), 4000); }
      if (fresh.length && region.matches("[data-log]") && Date.now() - saidAt > 10000) { saidAt = Date.now(); say(`${fresh.length} new on the timeline`); }
    }
    const wrong = $(".error-summary", region);
    if (wrong) { wrong.focus(); if (!document.title.startsWith("Error:")) document.title = `Error: ${document.title}`; }
    else if (region.id === "panel" && known && known.title !== $("h2", region)?.textContent) $("h2[tabindex]", region)?.focus();
    else if (known?.byHand && document.activeElement === document.body) $("#act-title, h2[tabindex]", region)?.focus({ preventScroll: true });
    major();
  });
  on("click", (e) => {
    const press = e.target.closest?.("button, [type=submit], summary");
    if (!press || !e.isTrusted || press.closest(".toast, .new-chip")) return;
    for (let region = press; region; region = region.parentElement) {
      if (performance.now() - (swapped.get(region) ?? -1e9) < 400) { e.preventDefault(); e.stopImmediatePropagation(); say("That just changed. Press again."); return; }
    }
    if (press.getAttribute("aria-disabled") === "true") { e.preventDefault(); e.stopImmediatePropagation(); say(document.getElementById(press.getAttribute("aria-describedby"))?.textContent); }
  }, true);
  on("htmx:response:error", (e) => {
    const { ctx } = e.detail;
    if (ctx.response.status >= 500 && byHand(ctx)) toast("Not saved. Nothing changed.", () => (ctx.sourceElement?.matches("form") ? ctx.sourceElement.requestSubmit() : ctx.sourceElement?.click()));
  });
  const major = () => { const link = $("link[rel=icon]"), bad = !!$("#major [data-major]"); if (link) { const want = bad ? link.dataset.alert : link.dataset.calm; if (link.getAttribute("href") !== want) link.href = want; } };

  // -- armed strips disarm when left alone ------------------------------------------------------------------------
  const timers = new WeakMap();
  const arm = (strip) => { clearTimeout(timers.get(strip)); if (strip.open) timers.set(strip, setTimeout(() => { strip.open = false; say("Disarmed."); }, 30000)); };
  on("toggle", (e) => { if (e.target.matches?.("details.arm")) { arm(e.target); if (e.target.open) say($(".effect", e.target)?.textContent); } }, true);
  for (const touch of ["focusin", "pointermove", "pointerdown", "keydown", "input"]) on(touch, (e) => { const strip = e.target.closest?.("details.arm[open]"); if (strip) arm(strip); }, { passive: true });

  // -- copy, drafts, theme ----------------------------------------------------------------------------------------
  on("click", async (e) => {
    const copy = e.target.closest?.("[data-copy]");
    if (!copy) return;
    const code = $("code", copy.parentElement);
    try { await navigator.clipboard.writeText(copy.dataset.copy || code.textContent); }
    catch { if (code) getSelection().selectAllChildren(code); say("Selected. Copy it with your keyboard."); return; } // no clipboard without https
    say("Copied."); const word = copy.lastChild; word.textContent = " Copied"; setTimeout(() => { word.textContent = " Copy"; }, 1500);
  });
  const draftKey = (box) => `draft:${box.dataset.draft}`;
  const store = (act) => { try { return act(localStorage); } catch { return null; } };
  on("input", (e) => { if (e.target.dataset?.draft) store((s) => (e.target.value ? s.setItem(draftKey(e.target), e.target.value) : s.removeItem(draftKey(e.target)))); });
  const drafts = () => { for (const box of $$("textarea[data-draft]")) { const kept = store((s) => s.getItem(draftKey(box))); if (kept && !box.value) box.value = kept; } };
  on("htmx:after:request", (e) => {
    const { ctx } = e.detail;
    if (ctx?.request?.method === "POST" && ctx.response?.raw?.ok) for (const box of $$("textarea[data-draft]", ctx.sourceElement)) { store((s) => s.removeItem(draftKey(box))); box.value = ""; }
  });
  on("submit", (e) => {
    const theme = e.submitter?.name === "theme" && e.submitter.value;
    if (!theme) return;
    e.preventDefault();
    root.dataset.theme = theme;
    document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
    $$("button[name=theme]").forEach((b) => b.setAttribute("aria-pressed", b.value === theme));
  });

  // -- keys: single letters, off in fields, none of them acts on production ---------------------------------------
  let going = 0;
  on("keydown", (e) => {
    if (e.key === "Escape") { $$("details.arm[open]").forEach((d) => { d.open = false; $("summary", d).focus(); }); return; }
    if (e.ctrlKey || e.metaKey || e.altKey || e.defaultPrevented || root.dataset.keys === "off") return;
    if (e.target.closest?.("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]") || $("dialog[open]")) return;
    const place = going && Date.now() - going < 1500 && $$("[data-go]").find((x) => x.dataset.go === e.key);
    if (place) { location.href = place.href; return; }
    going = 0;
    if (e.key === "g") { going = Date.now(); return; }
    if (e.key === "?") { e.preventDefault(); return help(); }
    if (e.key === "j" || e.key === "k") {
      const rows = $$("[data-row]"), at = rows.indexOf(document.activeElement), next = rows[Math.min(rows.length - 1, Math.max(0, at + (e.key === "j" ? 1 : -1)))];
      next?.focus(); return;
    }
    const found = $$("[data-key]").find((x) => x.dataset.key === e.key && x.checkVisibility?.());
    if (!found) return;
    e.preventDefault();
    if ("press" in found.dataset) found.click();
    else { const fold = found.closest("details:not([open])"); if (fold) fold.open = true; found.focus(); found.scrollIntoView({ block: "nearest" }); }
  });
  function help() {
    const box = $("#keys"), list = $("dl.page-keys", box);
    if (!box || !list) return;
    list.replaceChildren(...$$("[data-key]").flatMap((x) => { const dt = document.createElement("dt"), dd = document.createElement("dd"), key = document.createElement("kbd"); key.textContent = /[A-Z]/.test(x.dataset.key) ? `Shift ${x.dataset.key}` : x.dataset.key; dt.append(key); dd.textContent = x.dataset.keyWord || x.getAttribute("aria-label") || x.textContent.trim(); return [dt, dd]; }));
    box.showModal();
  }
  on("click", (e) => { const close = e.target.closest?.("[data-close]"); if (close) close.closest("dialog")?.close(); if (e.target.closest?.("[data-help]")) help(); });

  tick(); setInterval(tick, 1000);
  localTimes(document); drafts(); major();
  if (Math.abs(skew) > 30000) toast(`This device's clock is ${Math.round(Math.abs(skew) / 1000)} s off. Times here are the server's.`);
})();
