// The page's words in both languages; the terms are those of the express trade.

const en = {
  title: "Sorting centre", line: "Line", table: "All chutes as a table", other: "中文",
  picture: "The sorter as it runs",
  rate: "pieces per hour", on_sorter: "on the sorter", slack50: "slack, half of answers",
  inducted: "inducted", discharged: "discharged", removed: "removed", lost: "lost",
  unexplained: "unexplained", ledger: "Ledger",
  read_rate: "Read rate", recirculation: "Recirculation", slack: "Slack, 50 % / 99 % of answers",
  answer: "Answered within, 50 % / 99 %", misses: "Deadlines missed", lag: "Behind in recording",
  rows: "Rows recorded", plan: "Sort plan",
  plc: "PLC", process: "Line process", database: "Database",
  well: "ok", away: "away", fenced: "taken over", standby: "stands by", quarantined: "quarantined", starting: "starting",
  scanner: "scanner", induction: "induction",
  chute: "Chute", group: "Group", position: "Position", state: "State", fill: "Fill",
  reserved: "On the way", total: "Discharged",
  open: "open", emptied: "open", full: "full", locked: "locked", blocked: "blocked",
  unknown: "not reported", piece_routed: "piece to its chute", piece_waiting: "not scanned yet",
  piece_round: "stays on for a lap", piece_exception: "exception",
  execute: "running", stopped: "stopped", held: "held (by itself)", suspended: "suspended (from outside)",
  aborted: "aborted", clearing: "clearing", idle: "idle", stopping: "stopping",
  aborting: "aborting", holding: "holding (by itself)", unholding: "ending its hold",
  suspending: "suspending (from outside)", unsuspending: "ending its suspension",
  resetting: "resetting", completing: "completing", complete: "complete",
  key: "API key", log_in: "Log in", log_out: "Log out", wrong_key: "This key is unknown, or was removed.",
  show_key: "This service asks who you are: log in with a key that its administrator made for you.",
  no_answer: "The service does not answer; trying again every second.",
  return_zone: "return, not to scale",
  chute_open: "Lock or unlock a chute", lock_it: "Lock a chute", unlock_it: "Unlock a chute",
  lock: "Lock", unlock: "Unlock", cancel: "Cancel", who: "Who", why: "Why",
  locked_by: "Locked by {who} since {since}: {why}",
  was_locked: "{line}: chute {chute} is locked.", was_unlocked: "{line}: chute {chute} is unlocked.",
  plans: "Versions of the sort plan", version: "Version", kept_at: "Kept at", kept_by: "Kept by",
  kept_why: "Kept because", older: "Older", newest: "Newest", activate: "Activate",
  activate_it: "Activate version {version}", roll_back: "Roll back",
  roll_back_to: "Roll back to version {version}", version_is: "Version {version}:",
  active_by: "active since {since}, by {who}: {why}", in_use: "pieces on the sorter go by it",
  waits_for: "waits: {when}, by {who}: {why}", replaces: "This takes its place.",
  when: "When", when_now: "now", when_empty: "once the sorter is empty",
  is_active: "{line}: version {version} is active.", is_waiting: "{line}: version {version} waits for its time.",
};

const zh = {
  title: "分拣中心", line: "分拣线", table: "全部格口列表", other: "English",
  picture: "分拣机实时画面",
  rate: "件/小时", on_sorter: "在线件数", slack50: "时间余量(半数)",
  inducted: "上件", discharged: "落格", removed: "人工取下", lost: "遗失",
  unexplained: "无法解释", ledger: "台账",
  read_rate: "识别率", recirculation: "回流率", slack: "时间余量 50 % / 99 %",
  answer: "应答时间 50 % / 99 %", misses: "超时", lag: "入库滞后",
  rows: "入库行数", plan: "分拣方案",
  plc: "PLC", process: "产线进程", database: "数据库",
  well: "正常", away: "断开", fenced: "已被接管", standby: "备机跟随中", quarantined: "隔离中", starting: "启动中",
  scanner: "扫描", induction: "供件台",
  chute: "格口", group: "格口组", position: "位置", state: "状态", fill: "件数",
  reserved: "途中", total: "累计落格",
  open: "开放", emptied: "开放", full: "满格", locked: "锁格", blocked: "堵塞",
  unknown: "未上报", piece_routed: "去往格口", piece_waiting: "待扫描",
  piece_round: "回流一圈", piece_exception: "异常件",
  execute: "运行", stopped: "停机", held: "保持(设备自身原因)", suspended: "暂停(外部原因)", aborted: "中止",
  clearing: "清除中", idle: "空闲", stopping: "停机中", aborting: "中止中", holding: "进入保持(设备自身原因)",
  unholding: "解除保持中", suspending: "进入暂停(外部原因)", unsuspending: "解除暂停中", resetting: "复位中",
  completing: "完成中", complete: "完成",
  key: "API 密钥", log_in: "登录", log_out: "退出", wrong_key: "密钥无效或已被删除。",
  show_key: "本服务需要身份验证:请用管理员为您创建的密钥登录。",
  no_answer: "服务无应答,每秒重试。",
  return_zone: "回程(未按比例)",
  chute_open: "锁定或解锁格口", lock_it: "锁定格口", unlock_it: "解锁格口",
  lock: "锁定", unlock: "解锁", cancel: "取消", who: "操作人", why: "原因",
  locked_by: "{who} 自 {since} 起锁定:{why}",
  was_locked: "{line}:格口 {chute} 已锁定。", was_unlocked: "{line}:格口 {chute} 已解锁。",
  plans: "分拣方案版本", version: "版本", kept_at: "保存时间", kept_by: "保存人",
  kept_why: "保存原因", older: "更早", newest: "最新", activate: "启用",
  activate_it: "启用版本 {version}", roll_back: "回退",
  roll_back_to: "回退到版本 {version}", version_is: "版本 {version}:",
  active_by: "自 {since} 起启用,操作人 {who}:{why}", in_use: "线上快件仍按此版本",
  waits_for: "等待中:{when},操作人 {who}:{why}", replaces: "本次操作将取代它。",
  when: "时间", when_now: "立即", when_empty: "分拣机清空后",
  is_active: "{line}:版本 {version} 已启用。", is_waiting: "{line}:版本 {version} 等待启用。",
};

const all = { en, zh };
const KEY = "sorter.language";

export let language = localStorage.getItem(KEY) ?? (navigator.language.startsWith("zh") ? "zh" : "en");

export function word(key) {
  return all[language][key] ?? key;
}

// A sentence with its {names} filled in.
export function fill(key, values) {
  return word(key).replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function instant(iso) {
  return new Date(iso).toLocaleString(language === "zh" ? "zh-CN" : "en-GB");
}

export function toggleLanguage() {
  language = language === "en" ? "zh" : "en";
  localStorage.setItem(KEY, language);
}

export function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString(language === "zh" ? "zh-CN" : "en-GB", {
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
}

export function percent(share) {
  return share === null ? "–" : `${number(share * 100, 1)} %`;
}

export function milliseconds(value) {
  if (value === null) return "–";
  return value >= 1000 ? `${number(value / 1000, 1)} s` : `${number(value, value < 10 ? 1 : 0)} ms`;
}
