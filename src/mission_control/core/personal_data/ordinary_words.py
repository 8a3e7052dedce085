"""Words that are no names by themselves, though they may be part of one."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


PARTICLES = _words("""
a abu al an and at bin da das de del della den der des di do dos du e el en et for ibn in la las
le les los of on san st ten ter the und van vom von y zu zum zur
""")

# What people say most, days and months, and names that are everyday words in one of our languages.
ORDINARY_WORDS = PARTICLES | _words("""
abbott aber able about abril account address afraid afspraak after afternoon again agent agosto
ainda all alright also alt am amanhã amazing amber american ancora another any août appointment
appuntamento april aqui aquí are art arzt as ash auch august aujourd'hui auto autumn avenue avril
ayer azienda baby back baker bank banks barber baron basil bauer be bear because bedrijf been
before being bell bem bene best bestelling bestellung betaling bien big bill bird bishop bitte
black blue both boy braun bridge british brook brooks brother brown buck bud buena bueno bull bus
bush business busy but butler by bye büro call called caller calling can canadian car card
carpenter carro casa case cash chance charity chase child chinese christian christmas church cita
claim clay client cliente cliff cloud coche cold commande company consulta cook cost could crane
cross crystal customer dad daisy dale dank danke daughter dawn day days deal december dein
delivery demain destiny dezember diciembre did die dienstag dimanche doctor doe does domanda
domani domingo donnerstag door dort dr drake duke dusty dutch décembre each earl early earnest
east easter easy een egal eight ein eine einen einer ela ele ella elle email empresa encore enero
english entreprise er es eu eve evening every faith fall false family farmer father favor febrero
februar february few field fine firma first fischer fish fisher five ford four fox frage frank
free freeman freitag french friday friend from frost février gardener general gentleman german
gerne gestern ginger girl gisteren glad glen goed going gold good goodbye goodman grace gracias
grand grant gray grazie great green grey groß grün gut guy had hall happy hard has haus have
having hawk hazel he heath heather heel hello help her herb here heute hey hi hier high hij hill
him his hoje holiday holly home honor hope hot hour house how hoy huis husband i ich ici ieri if
ihr ik il insurance interested into io iris is issue it italian its ivy ja jade januar january
janvier japanese jasmine je jeudi jeune jij jouw joy judge jueves juillet juin juli julio july
june jung juni junio just justice kaiser kein kid king klant klein knight kunde kundin kurz könig
lady lake lamb lance lane lang last late least lei less lieferung lily loan long looking lord love
low lui lundi lunes ma ma'am maar macchina madam mai mail mais maison major man manager many march
mardi mars marshal martes marzo mas max may mayo mañana me mein merci mercredi mes meu mexican mi
might mijn miles mine minute mio miss misty mittwoch miércoles molto mom mon monday money monk
montag month moon more morgen morning most mother mr mrs ms much muito must muy my märz name nee
neighbor nein nett neu new newman next nicht night nine no noble noch nog noi non none nope north
nosotros not nous november novembre noviembre now noël number não nós obrigada obrigado october
octobre octubre oder offer office oggi ok okay oktober old olive one only ontem or order ordine
other oui our over pagamento page pago paiement parent park patience payment pearl pedido penny
perfect pergunta pero petit phone pink plan please policy pope por portuguese potter power powers
prego pregunta price prince problem problema problème product prudence queen question qui rain
rate ready real really rechnung red rendez-vous rich right rivers road rocky rod room rose ruby
rusty sage sale sales same samedi samstag sandy saturday scarlet schon schwarz sehr sein september
septembre septiembre sergeant service seu seven shall sharp she shepherd short should sie silver
sim sir sister six sky small snow so some son sonntag sorry south spanish speaking spring star
still stone stormy street strong su summer sun sunday sunny suo support sure swan swift sábado sì
sí tailor team temple termin thank thanks that their them then there these they this those three
thursday time to todavía today tomorrow ton tonight too truck true trying très tu tuesday tuo two
tú um uma un una unable unas under une uno unos us vandaag vendredi versicherung vertrag very
viernes violet voiture vous vraag wade ward ware was we wednesday week weeks weiß welcome well
were west what when where which white who why wichtig wife wij will winter wir wise with without
wolf woman wondering wood woods worth would yeah year yep yes yesterday yo you young your zij él
""")
