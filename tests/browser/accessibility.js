// Run in the page by accessibility.py: everything that is in somebody's way, one sentence each.
([smallest, least]) => {
  const found = [];
  const say = (what, el) => found.push(`${what}: ${el.outerHTML.replace(/\s+/g, ' ').slice(0, 140)}`);
  const all = (q) => [...document.querySelectorAll(q)];
  const seen = (el) => el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !el.closest('[aria-hidden=true]');
  const text = (el) => (el.getAttribute('aria-label') ?? '').trim()
    || (el.getAttribute('aria-labelledby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? '').join(' ').trim()
    || el.textContent.trim() || (el.getAttribute('title') ?? '').trim();

  if (all('h1').filter(seen).length !== 1) found.push(`not one h1 but ${all('h1').filter(seen).length}`);
  if (all('main').length !== 1) found.push('not one main');
  if (!document.documentElement.lang) found.push('no language');
  if (!document.title.trim()) found.push('no title');
  let level = 0;
  for (const heading of all('h1, h2, h3, h4, h5, h6').filter(seen)) {
    const its = Number(heading.tagName[1]);
    if (its > level + 1 && level) say(`heading skips from h${level} to h${its}`, heading);
    level = its;
  }
  const ids = new Map();
  for (const el of all('[id]')) ids.set(el.id, (ids.get(el.id) ?? 0) + 1);
  for (const [id, count] of ids) if (count > 1) found.push(`id ${id} stands ${count} times`);
  for (const el of all('[aria-labelledby], [aria-describedby], [aria-controls], label[for]')) {
    for (const name of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for'])
      for (const id of (el.getAttribute(name) ?? '').split(' ').filter(Boolean))
        if (!document.getElementById(id)) say(`${name} leads nowhere (${id})`, el);
  }
  for (const el of all('a[href], button, summary, [role=button]').filter(seen)) if (!text(el)) say('no name', el);
  for (const el of all('input:not([type=hidden]), select, textarea').filter(seen))
    if (!el.labels?.length && !text(el)) say('no label', el);
  for (const el of all('img')) if (!el.hasAttribute('alt')) say('no alt', el);
  for (const el of all('svg').filter((svg) => svg.getAttribute('aria-hidden') !== 'true'))
    if (!text(el) && el.getAttribute('role') !== 'presentation') say('a drawing without name', el);
  for (const el of all('table')) if (!el.querySelector('th')) say('a table without headings', el);
  for (const el of all('[tabindex]')) if (Number(el.getAttribute('tabindex')) > 0) say('tab order by number', el);
  for (const el of all('[aria-hidden=true]'))
    if (el.matches('a[href], button, input, summary') ? el.tabIndex >= 0 : el.querySelector('a[href], button, input, summary'))
      say('hidden but reached by keyboard', el);

  const inText = (el) => el.tagName === 'A' && getComputedStyle(el).display === 'inline';
  // WCAG 2.5.8 lets a target be small when another one does the same: a figure's marks stand in its table too.
  const hasTwin = (el) => el.closest('svg') && el.closest('figure')?.querySelector('details table');
  for (const el of all('a[href], button, summary, select, input:not([type=hidden]), textarea').filter(seen)) {
    if (inText(el) || hasTwin(el) || el.closest('.hide, .skip')) continue;
    const labelled = el.labels?.[0]?.getBoundingClientRect(), box = el.getBoundingClientRect();
    const high = Math.max(box.height, labelled?.height ?? 0), wide = Math.max(box.width, labelled?.width ?? 0);
    if (box.width > 1 && (high < smallest || wide < smallest)) say(`${Math.round(wide)} x ${Math.round(high)} px is too small to hit`, el);
  }
  const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (over > 0) found.push(`the page is ${over} px wider than the window`);
  for (const el of all('body *').filter(seen)) {
    const style = getComputedStyle(el);
    const scrolls = (el.scrollHeight > el.clientHeight + 1 && /auto|scroll/.test(style.overflowY)) || (el.scrollWidth > el.clientWidth + 1 && /auto|scroll/.test(style.overflowX));
    if (scrolls && el.tabIndex < 0 && !el.querySelector('a[href], button, input, summary, select, textarea')) say('scrolls but takes no focus', el);
  }

  const channels = (colour) => {
    const canvas = channels.canvas ??= Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (el) => {
    for (let each = el; each; each = each.parentElement) {
      const style = getComputedStyle(each);
      if (style.backgroundImage !== 'none') return null;
      const colour = channels(style.backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return channels(getComputedStyle(document.documentElement).backgroundColor);
  };
  const told = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const el = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || told.has(el) || !seen(el) || el.closest('.hide, svg, script, style, option, [aria-disabled=true], :disabled')) continue;
    told.add(el);
    const behind = ground(el);
    if (!behind) continue;
    const [high, low] = [light(channels(getComputedStyle(el).color)), light(behind)].sort((a, b) => b - a);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < least) say(`contrast ${contrast.toFixed(2)}`, el);
  }
  return [...new Set(found)];
}
