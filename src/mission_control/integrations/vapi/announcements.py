"""What a carrier's or a mailbox's machine says in the place of who was called."""

import re

ANNOUNCEMENTS = re.compile(
    r"automat(?:ed|ic) voice mess(?:age|aging)|forwarded to (?:an? )?(?:automat|voice ?mail)|"
    r"(?:leave|record) (?:a|your|me a) (?:brief |short |detailed )?message|"
    r"(?:after|at) the (?:tone|beep|signal)|mail ?box (?:is full|of)|voice ?mail(?:box)? (?:of|for|service)|"
    r"(?:you have reached|you've reached) the voice|(?:person|party|subscriber|customer) (?:you are|you're|"
    r"you have|you) (?:trying to reach|called|dialed|calling)|number you (?:have )?(?:dialed|called)|"
    r"(?:is|are) (?:not available|unavailable|unable) (?:right now|to (?:take|answer|come))|"
    r"not in service|press (?:one|1|the pound|pound|star)\b.{0,40}(?:options|message|pager|delivery)|"
    r"please (?:try again later|hang up)|"
    r"nach dem (?:signal)?ton|hinterlassen sie (?:bitte )?(?:eine|ihre) nachricht|"
    r"(?:teilnehmer|rufnummer|gesprächspartner)\b.{0,40}(?:nicht erreichbar|nicht vergeben|nicht zu erreichen)|"
    r"mailbox von|nächsten verfügbaren mitarbeiter|"
    r"deje (?:su|un) mensaje|después (?:del tono|de la señal)|buzón de voz|el número que (?:usted )?(?:marcó|ha marcado)|"
    r"laisse[rz] (?:un|votre) message|après le (?:bip|signal)|messagerie (?:vocale|de)|votre correspondant|"
    r"lasci(?:are|ate|a)? (?:un|il) messaggio|dopo il (?:segnale|bip)|segreteria telefonica|"
    r"deixe (?:a sua|sua|uma|o seu|seu) mensagem|após o sinal|caixa postal|correio de voz|"
    r"spreek (?:uw|een|je) bericht|na de (?:toon|piep)|voicemail van|"
    r"оставьте (?:ваше )?сообщение|после (?:звукового )?сигнала|абонент|"
    r"留守番電話|発信音の後|おかけになった電話|お繋ぎできません|请在.{0,6}提示音|您拨打的(?:电话|用户|号码)|"
    r"ฝากข้อความ|삐 소리|음성사서함",
    re.IGNORECASE,
)


def is_announcement(text: str) -> bool:
    return ANNOUNCEMENTS.search(text) is not None
