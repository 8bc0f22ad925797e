"""A few plain sentences in each of many scripts, written for measuring how many tokens text of that kind takes."""

# ruff: noqa: E501, RUF001
from __future__ import annotations

from typing import Final

SENTENCES: Final[dict[str, str]] = {
    "English": "The invoice for last month arrived this morning. Please check whether the amounts agree with what our "
    "own records say, and tell the team before Friday if anything looks wrong or unclear.",
    "German": "Die Rechnung für den letzten Monat ist heute Morgen angekommen. Bitte prüfe, ob die Beträge mit unseren "
    "eigenen Aufzeichnungen übereinstimmen, und sage der Gruppe bis Freitag Bescheid, falls etwas falsch aussieht.",
    "French": "La facture du mois dernier est arrivée ce matin. Vérifiez si les montants correspondent à nos propres "
    "relevés, et prévenez l'équipe avant vendredi si quelque chose vous paraît faux ou peu clair.",
    "Spanish": "La factura del mes pasado llegó esta mañana. Comprueba si las cantidades coinciden con nuestros propios "
    "registros y avisa al equipo antes del viernes si algo parece incorrecto o poco claro.",
    "Polish": "Faktura za ubiegły miesiąc przyszła dziś rano. Sprawdź, czy kwoty zgadzają się z naszymi własnymi "
    "zapisami, i powiedz zespołowi przed piątkiem, jeśli coś wygląda źle albo niejasno.",
    "Vietnamese": "Hóa đơn của tháng trước đã đến vào sáng nay. Hãy kiểm tra xem các số tiền có khớp với sổ sách của "
    "chúng ta không, và báo cho cả nhóm trước thứ sáu nếu có gì sai hoặc không rõ.",
    "Russian": "Счёт за прошлый месяц пришёл сегодня утром. Проверь, пожалуйста, совпадают ли суммы с нашими записями, "
    "и сообщи команде до пятницы, если что-то выглядит неправильно или непонятно.",
    "Greek": "Το τιμολόγιο του περασμένου μήνα έφτασε σήμερα το πρωί. Έλεγξε αν τα ποσά συμφωνούν με τα δικά μας "
    "στοιχεία και πες το στην ομάδα πριν από την Παρασκευή αν κάτι φαίνεται λάθος.",
    "Arabic": "وصلت فاتورة الشهر الماضي هذا الصباح. يرجى التحقق مما إذا كانت المبالغ تتطابق مع سجلاتنا، وإخبار الفريق "
    "قبل يوم الجمعة إذا كان هناك شيء يبدو خاطئا أو غير واضح.",
    "Hebrew": "החשבונית של החודש שעבר הגיעה הבוקר. נא לבדוק אם הסכומים תואמים את הרישומים שלנו, ולהודיע לצוות לפני "
    "יום שישי אם משהו נראה שגוי או לא ברור.",
    "Hindi": "पिछले महीने का बिल आज सुबह आया। कृपया जाँच लें कि रकम हमारे अपने रिकॉर्ड से मिलती है या नहीं, और अगर कुछ गलत "
    "या अस्पष्ट लगे तो शुक्रवार से पहले टीम को बता दें।",
    "Thai": "ใบแจ้งหนี้ของเดือนที่แล้วมาถึงเมื่อเช้านี้ กรุณาตรวจสอบว่าจำนวนเงินตรงกับบันทึกของเราหรือไม่ และแจ้งทีมก่อนวันศุกร์ถ้ามีอะไรดูผิดหรือไม่ชัดเจน",
    "Chinese": "上个月的账单今天早上到了。请检查金额是否与我们自己的记录一致，如果有什么看起来不对或者不清楚的地方，请在星期五之前告诉团队。",
    "Japanese": "先月の請求書が今朝届きました。金額が私たちの記録と合っているかどうかを確認して、何かおかしい点や分かりにくい点があれば、金曜日までにチームに知らせてください。",
    "Korean": "지난달 청구서가 오늘 아침에 도착했습니다. 금액이 우리 기록과 일치하는지 확인하고, 잘못되었거나 분명하지 않은 것이 있으면 금요일 전에 팀에 알려 주세요.",
    "Emoji": "🎉🚀 👍🏽 ❤️ 😂 🤖 📈 💰 ✅ ⚠️ 🔥 🙏 👩‍💻 🌍",
    "Python": "def settle(records: list[Record], limit: int = 100) -> int:\n    total = 0\n    for record in records[:limit]:\n"
    "        if record.status is Status.PRICED and record.amount_nano > 0:\n            total += record.amount_nano\n"
    "    return total\n",
    "JSON": '{"type": "function", "function": {"name": "get_invoice", "description": "Reads one invoice", "parameters": '
    '{"type": "object", "properties": {"invoice_id": {"type": "string"}, "month": {"type": "integer", "minimum": 1, '
    '"maximum": 12}}, "required": ["invoice_id"]}}}',
    "JavaScript": "export async function fetchInvoice(invoiceId, { retries = 3 } = {}) {\n  const res = await "
    "fetch(`/api/invoices/${invoiceId}`);\n  if (!res.ok && retries > 0) {\n    return fetchInvoice(invoiceId, "
    "{ retries: retries - 1 });\n  }\n  return res.json();\n}\n",
    "SQL": "SELECT team, SUM(amount_nano) / 1e9 AS usd FROM charges WHERE booked_at >= '2026-11-01' AND status IN "
    "('priced', 'estimated') GROUP BY team HAVING SUM(amount_nano) > 0 ORDER BY usd DESC LIMIT 20;",
    "Numbers": "2026-11-22 06:30:01 1,284.50 3.14159265 192.168.0.17 0x7ffdeadbeef 42 1000000 99.95% 7f3a9c21",
}

O200K_TOKENS: Final[dict[str, int]] = {
    "English": 35,
    "German": 43,
    "French": 41,
    "Spanish": 37,
    "Polish": 55,
    "Vietnamese": 50,
    "Russian": 50,
    "Greek": 56,
    "Arabic": 45,
    "Hebrew": 48,
    "Hindi": 45,
    "Thai": 56,
    "Chinese": 39,
    "Japanese": 62,
    "Korean": 47,
    "Emoji": 30,
    "Python": 62,
    "JSON": 76,
    "JavaScript": 66,
    "SQL": 59,
    "Numbers": 59,
}
"""What OpenAI's vocabulary makes of each (rs-bpe 0.1.0)."""
